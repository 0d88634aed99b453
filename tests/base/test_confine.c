/* test_confine.c: a decoder that was taken over tries to get out: none of what it tries succeeds, where
 * the kernel has the mechanisms, and what it needs still does. Plain records that it sends home. */
#define _GNU_SOURCE
#include "tests/support.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/isolate.h"
#include "base/plain.h"
#include "base/pseudonym.h"
#include "base/rng.h"

struct place {
    char own[96], other[96], folder[64], made[96]; /* own: what the run may read */
};

static bool opens(const char *path, int flags) {
    int file = open(path, flags | O_CLOEXEC, 0600);
    if (file >= 0) (void)close(file);
    return file >= 0;
}

static bool makes_socket(int family, int type) {
    return socket(family, type, 0) >= 0;
}

static bool forks(void) {
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) _exit(0);
    return child > 0;
}

static bool executes(void) {
    char name[] = "true";
    char *arguments[] = {name, NULL}, *none[] = {NULL};
    (void)execve("/bin/true", arguments, none); /* does not return where it may */
    return false;
}

static bool reads_caller(void) {
    char byte = 0;
    struct iovec here = {.iov_base = &byte, .iov_len = 1},
                 there = {.iov_base = &byte, .iov_len = 1};
    return process_vm_readv(getppid(), &here, 1, &there, 1, 0) == 1;
}

static bool maps_code(void) {
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED;
}

static bool tries(const struct place *p, int what) {
    char memory[64];
    switch (what) {
    case 0: return makes_socket(AF_INET, SOCK_STREAM);
    case 1: return makes_socket(AF_INET6, SOCK_DGRAM);
    case 2: return makes_socket(AF_UNIX, SOCK_STREAM);
    case 3: return makes_socket(AF_NETLINK, SOCK_RAW);
    case 4: return opens(p->made, O_WRONLY | O_CREAT);
    case 5: return opens(p->own, O_WRONLY);
    case 6: return opens(p->own, O_RDONLY | O_TRUNC);
    case 7: return opens(p->folder, O_RDWR | O_TMPFILE);
    case 8: return mkdir(p->made, 0700) == 0;
    case 9: return unlink(p->other) == 0;
    case 10: return rename(p->other, p->made) == 0;
    case 11: return link(p->other, p->made) == 0;
    case 12: return symlink(p->other, p->made) == 0;
    case 13: return forks();
    case 14: return executes();
    case 15: return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0;
    case 16: return opens(p->other, O_RDONLY);
    case 17: return opens(p->folder, O_RDONLY | O_DIRECTORY);
    case 18:
        snprintf(memory, sizeof memory, "/proc/%d/mem", (int)getppid());
        return opens(memory, O_RDONLY);
    case 19: return kill(getppid(), 0) == 0;
    case 20: return reads_caller();
    case 21: return maps_code();
    case 22: return chmod(p->own, 0777) == 0;
    case 23: return syscall(SYS_unshare, 0x10000000) == 0; /* CLONE_NEWUSER */
    case 24: return syscall(SYS_memfd_create, "x", 0) >= 0;
    case 25: return syscall(SYS_io_uring_setup, 1, memory) >= 0;
    case 26: return syscall(SYS_bpf, 0, memory, 64) >= 0;
    case 27: return opens(p->own, O_RDONLY); /* what it is for */
    default: return false;
    }
}
enum { TRIES = 27, ALLOWED = 27, NEEDS_LANDLOCK = 16, NEEDS_LANDLOCK_TOO = 17 };

struct breakout {
    struct place place;
    unsigned char succeeded[TRIES + 1];
    enum mrc_status status;
};

static enum mrc_status try_one(void *context, size_t job, mrc_isolate_sink *sink,
                               struct mrc_error *err) {
    const struct breakout *b = context;
    unsigned char succeeded = tries(&b->place, (int)job);
    return mrc_isolate_send(sink, &succeeded, 1, err);
}

static enum mrc_status take(void *context, size_t job, const void *bytes, size_t size,
                            struct mrc_error *err) {
    (void)err;
    assert_int_equal(size, 1);
    ((struct breakout *)context)->succeeded[job] = *(const unsigned char *)bytes;
    return MRC_OK;
}

static enum mrc_status finish(void *context, size_t job, enum mrc_status status, const char *why,
                              bool ended, struct mrc_error *err) {
    (void)job, (void)why, (void)ended, (void)err;
    if (status != MRC_OK) ((struct breakout *)context)->status = status;
    return MRC_OK;
}

static const char *readable(void *context, size_t number) {
    return number == 0 ? ((const struct breakout *)context)->place.own : NULL;
}

static void make_file(const char *path) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("a patient's", file) > 0 && fclose(file) == 0);
}

static void test_nothing_gets_out(void **state) {
    (void)state;
    struct breakout b = {.status = MRC_OK};
    struct place *p = &b.place;
    struct mrc_error err = {0};
    struct mrc_isolate_limits limits = MRC_ISOLATE_DEFAULTS;
    struct mrc_confined held = mrc_isolate_probe();
    snprintf(p->folder, sizeof p->folder, "/tmp/mrc_confine_XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->own, sizeof p->own, "%s/own", p->folder);
    snprintf(p->other, sizeof p->other, "%s/other", p->folder);
    snprintf(p->made, sizeof p->made, "%s/made", p->folder);
    make_file(p->own);
    make_file(p->other);
    const struct mrc_isolate_work work = {
        .context = &b, .run = try_one, .take = take, .finish = finish, .file = readable};
    limits.processes = 1;
    assert_ok(mrc_isolate_run(&work, TRIES + 1, &limits, &err), &err);
    int out = 0;
    for (int i = 0; i < TRIES; ++i) {
        bool by_files = i == NEEDS_LANDLOCK || i == NEEDS_LANDLOCK_TOO;
        bool expected = by_files ? held.files : held.calls;
        if (b.succeeded[i] && expected) print_error("the attempt %d succeeded\n", i);
        out += b.succeeded[i] && expected;
    }
    if (!held.calls || !held.files)
        print_message("this kernel lacks %s\n", held.calls ? "Landlock" : "seccomp");
    assert_int_equal(out, 0);
    assert_int_equal(b.status, MRC_OK);
    assert_true(b.succeeded[ALLOWED]);
    assert_true(access(p->other, F_OK) == 0 && access(p->made, F_OK) != 0);
    (void)unlink(p->own);
    (void)unlink(p->other);
    (void)rmdir(p->folder);
}

struct record {
    char name[MRC_PSEUDONYM_TEXT], text[8], code[8];
    bool flag;
    int kind;
    int64_t counts[2];
    size_t size;
    double finite, number;
    void *pointer;
};
#define FIELD(kind_, member) MRC_PLAIN_AT(MRC_PLAIN_##kind_, struct record, member)
static const struct mrc_plain_field fields[] = {
    {FIELD(NAME, name)},
    {FIELD(TEXT, text)},
    {FIELD(CODE, code)},
    {FIELD(BOOL, flag)},
    {FIELD(ENUM, kind), .most = 3},
    {FIELD(COUNT, counts), .least = -2, .most = 5},
    {FIELD(SIZE, size), .most = 100},
    {FIELD(FINITE, finite)},
    {FIELD(NUMBER, number)},
    {FIELD(NULL, pointer)},
};
enum { FIELDS = sizeof fields / sizeof *fields };

static struct record good_record(void) {
    return (struct record){.name = "0123456789abcdef",
                           .text = "a/b",
                           .code = "SE|IR",
                           .kind = 3,
                           .counts = {-2, 5},
                           .size = 100,
                           .number = (double)NAN};
}

static void test_records_are_checked(void **state) {
    (void)state;
    struct record r = good_record();
    assert_true(mrc_plain_check(&r, fields, FIELDS));
#define REFUSED(change)                                                                            \
    do {                                                                                           \
        r = good_record();                                                                         \
        change;                                                                                    \
        assert_false(mrc_plain_check(&r, fields, FIELDS));                                         \
    } while (0)
    REFUSED(memcpy(r.name, "../../etc/passwd", 16));
    REFUSED(r.name[15] = '\0');
    REFUSED(r.name[16] = 'a');
    REFUSED(memset(r.text, 'a', sizeof r.text));
    REFUSED(memcpy(r.code, "a\tb", 4));
    REFUSED(memset(&r.flag, 2, 1));
    REFUSED(r.kind = 4);
    REFUSED(r.kind = -1);
    REFUSED(r.counts[1] = 6);
    REFUSED(r.counts[0] = INT64_MIN);
    REFUSED(r.size = SIZE_MAX);
    REFUSED(r.finite = (double)NAN);
    REFUSED(r.number = (double)INFINITY);
    REFUSED(r.pointer = &r);
}

/* Whatever bytes came, a record that passes can be used: names make paths, bools are bools. */
static void test_random_records(void **state) {
    (void)state;
    struct mrc_rng rng = mrc_rng_for(24, 0, 0, MRC_FOR_TEST);
    int passed = 0;
    for (int i = 0; i < 1000000; ++i) {
        struct record r = good_record();
        unsigned char *bytes = (unsigned char *)&r;
        uint64_t bits = mrc_rng_u64(&rng);
        for (unsigned n = 0; n <= bits % 3; ++n) {
            uint64_t more = mrc_rng_u64(&rng);
            bytes[more % sizeof r] = (unsigned char)(more >> 32);
        }
        if (!mrc_plain_check(&r, fields, FIELDS)) continue;
        ++passed;
        assert_int_equal(strspn(r.name, "0123456789abcdef"), MRC_PSEUDONYM_TEXT - 1);
        assert_true(strlen(r.text) < sizeof r.text && r.kind >= 0 && r.kind <= 3 && r.size <= 100);
        assert_true(r.flag == true || r.flag == false);
    }
    assert_in_range(passed, 1000, 999000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_gets_out),
        cmocka_unit_test(test_records_are_checked),
        cmocka_unit_test(test_random_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
