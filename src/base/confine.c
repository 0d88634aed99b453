/* confine.c: see the header. The filter names what may be called, not what may not: a call that a
 * later kernel brings is forbidden. Forbidden calls fail with EPERM, as of a process without
 * rights: libraries know how to go on from that. */
#define _GNU_SOURCE
#include "base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- Landlock --- */

/* Rights of later versions of the interface than the headers of Debian 12 know. */
enum {
    FS_REFER = 1 << 13,    /* version 2 */
    FS_TRUNCATE = 1 << 14, /* 3 */
    FS_IOCTL = 1 << 15,    /* 5 */
    NET_TCP = 1 << 0 | 1 << 1,
    SCOPES = 1 << 0 | 1 << 1 /* 6: abstract sockets, signals */
};
struct ruleset { /* as version 6 has it; earlier ones take its beginning */
    uint64_t fs, net, scoped;
};

static const uint64_t read_rights = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t write_rights = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
                                     LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                     LANDLOCK_ACCESS_FS_MAKE_REG | FS_REFER | FS_TRUNCATE;

static int landlock_version(void) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version > 0 ? (int)version : 0;
}

/* All rights over files that the version knows. */
static uint64_t all_rights(int version) {
    uint64_t rights = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1; /* the 13 of version 1 */
    if (version >= 2) rights |= FS_REFER;
    if (version >= 3) rights |= FS_TRUNCATE;
    if (version >= 5) rights |= FS_IOCTL;
    return rights;
}

static void add_rule(int ruleset, const char *path, uint64_t rights) {
    struct landlock_path_beneath_attr rule = {.allowed_access = rights};
    struct stat info;
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0) return;
    if (fstat(rule.parent_fd, &info) == 0 && !S_ISDIR(info.st_mode))
        rule.allowed_access &=
            LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE;
    (void)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    (void)close(rule.parent_fd);
}

int mrc_confine_ruleset(enum mrc_confinement what, const struct mrc_confine_files *files) {
    int version = landlock_version();
    uint64_t all = all_rights(version);
    struct ruleset wanted = {.fs = all,
                             .net = version >= 4 ? (uint64_t)NET_TCP : 0,
                             .scoped = version >= 6 ? (uint64_t)SCOPES : 0};
    size_t size = version >= 6 ? sizeof wanted : version >= 4 ? 16 : 8;
    if (version < (what == MRC_CONFINE_RECEIVER ? 2 : 1)) return -1;
    long made = syscall(SYS_landlock_create_ruleset, &wanted, size, 0);
    if (made < 0) return -1;
    int ruleset = (int)made;
    const char *path = NULL;
    for (size_t n = 0; files->read != NULL && (path = files->read(files->context, n)) != NULL; ++n)
        add_rule(ruleset, path, read_rights & all);
    for (size_t n = 0; n < files->write_count; ++n)
        add_rule(ruleset, files->write[n], write_rights & all);
    return ruleset;
}

/* --- seccomp --- */

static const int computing[] = {
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(lseek),
    SCMP_SYS(fadvise64),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd),
    SCMP_SYS(getdents64),
    SCMP_SYS(fcntl),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(mincore),
    SCMP_SYS(futex),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrlimit),
    SCMP_SYS(setrlimit),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrandom),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getcpu),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(pause),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(rseq),
    SCMP_SYS(membarrier),
    SCMP_SYS(pipe),
    SCMP_SYS(pipe2), /* UBSan asks by them what is memory */
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit_group),
};
static const int receiving[] = {
    SCMP_SYS(open),       SCMP_SYS(openat),     SCMP_SYS(creat),       SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),   SCMP_SYS(rename),     SCMP_SYS(renameat),    SCMP_SYS(renameat2),
    SCMP_SYS(link),       SCMP_SYS(linkat),     SCMP_SYS(mkdir),       SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),      SCMP_SYS(fsync),      SCMP_SYS(fdatasync),   SCMP_SYS(ftruncate),
    SCMP_SYS(flock),      SCMP_SYS(statfs),     SCMP_SYS(fstatfs),     SCMP_SYS(pwrite64),
    SCMP_SYS(dup),        SCMP_SYS(recvmsg),    SCMP_SYS(sendmsg),     SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
};

static bool allow_all(scmp_filter_ctx filter, const int *calls, size_t count) {
    bool added = true;
    for (size_t i = 0; i < count; ++i)
        added = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) == 0 && added;
    return added;
}

/* What depends on how it is called. */
static bool allow_some(scmp_filter_ctx filter, bool may_write) {
    const scmp_datum_t changes =
        O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY);
    const scmp_datum_t self = (scmp_datum_t)getpid();
    /* the end of a thread; its macro would read as the end of the program */
    int thread_end = seccomp_syscall_resolve_name("exit");
    bool added = seccomp_rule_add(filter, SCMP_ACT_ALLOW, thread_end, 0) == 0;
#define ALLOW(call, count, ...)                                                                    \
    (added = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(call), count, __VA_ARGS__) == 0 &&  \
             added)
    if (!may_write) {
        ALLOW(open, 1, SCMP_A1(SCMP_CMP_MASKED_EQ, changes, O_RDONLY));
        ALLOW(openat, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, changes, O_RDONLY));
    }
    ALLOW(mmap, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    ALLOW(mprotect, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    ALLOW(clone, 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    ALLOW(tgkill, 1, SCMP_A0(SCMP_CMP_EQ, self));
    ALLOW(kill, 1, SCMP_A0(SCMP_CMP_EQ, self));
    ALLOW(prlimit64, 1, SCMP_A0(SCMP_CMP_EQ, 0));
    ALLOW(ioctl, 1, SCMP_A1(SCMP_CMP_EQ, TCGETS));
    ALLOW(prctl, 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
#undef ALLOW
    /* its flags lie in memory, where no filter sees them: glibc goes on with clone */
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0 && added;
}

static bool filter_calls(enum mrc_confinement what) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL) return false;
    bool may_write = what == MRC_CONFINE_RECEIVER;
    bool whole =
        allow_all(filter, computing, sizeof computing / sizeof *computing) &&
        (!may_write || allow_all(filter, receiving, sizeof receiving / sizeof *receiving)) &&
        allow_some(filter, may_write);
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
    bool loaded = whole && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return loaded;
}

struct mrc_confined mrc_confine(enum mrc_confinement what, int ruleset) {
    struct mrc_confined held = {.files = false};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return held;
    if (ruleset >= 0) {
        held.files = syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
        (void)close(ruleset);
    }
    held.calls = filter_calls(what);
    return held;
}

int mrc_confine_landlock(void) {
    return landlock_version();
}
