/* system.c: asks the processor, the kernel and OpenBLAS, and says what they answered. */
#include "app/inspect/system.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/common/model_file.h"
#include "base/isolate.h"
#include "base/json.h"
#include "base/parallel.h"
#include "model/engine/ops/winograd.h"

/* "MemTotal:       24652468 kB" */
static uint64_t read_meminfo(const char *name) {
    char line[128];
    int64_t kib = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    if (file == NULL) return 0;
    while (kib == 0 && fgets(line, sizeof line, file) != NULL) {
        size_t length = strlen(name);
        char *unit = strstr(line, " kB");
        if (strncmp(line, name, length) != 0 || line[length] != ':' || unit == NULL) continue;
        *unit = '\0';
        if (mrc_parse_i64(&kib, line + length + 1, 0, INT64_MAX / 1024) != MRC_OK) break;
    }
    fclose(file);
    return (uint64_t)kib * 1024;
}

static const char *name_transforms(void) {
    static const char *const names[MRC_WINOGRAD_LANES] = {[MRC_WINOGRAD_PORTABLE] = "portable",
                                                          [MRC_WINOGRAD_AVX2] = "AVX2",
                                                          [MRC_WINOGRAD_AVX512] = "AVX-512"};
    int lanes = MRC_WINOGRAD_PORTABLE;
    const struct mrc_winograd *best = mrc_winograd_kernels(2, MRC_WINOGRAD_BEST);
    while (mrc_winograd_kernels(2, (enum mrc_winograd_lanes)lanes) != best) ++lanes;
    return names[lanes];
}

enum mrc_status mrc_system_describe(struct mrc_system *s, const struct mrc_kernel_choice *choice,
                                    struct mrc_error *err) {
    struct mrc_error wrong = {0};
    *s = (struct mrc_system){.cores = (int)sysconf(_SC_NPROCESSORS_ONLN),
                             .threads = mrc_parallel_threads(),
                             .blas = mrc_blas_config(),
                             .kernel = mrc_blas_kernel_name(),
                             .choice = *choice,
                             .transforms = name_transforms(),
                             .memory_bytes = read_meminfo("MemTotal"),
                             .available_bytes = read_meminfo("MemAvailable")};
    mrc_cpu_describe(&s->cpu);
    s->confined = mrc_isolate_probe();
    s->landlock = mrc_confine_landlock();
    mrc_libraries(s->libraries);
    s->faster = mrc_blas_faster_kernel(&s->cpu, s->kernel, NULL);
    enum mrc_status status = mrc_blas_check(&s->worst_error, &wrong);
    s->sums_right = status == MRC_OK;
    return status == MRC_ERR_NOMEM ? mrc_fail(err, status, "%s", wrong.text) : MRC_OK;
}

static void explain_choice(char *out, size_t capacity, const struct mrc_system *s) {
    const struct mrc_kernel_choice *c = &s->choice;
    switch (c->by) {
    case MRC_KERNEL_BY_OPENBLAS: snprintf(out, capacity, "chosen by OpenBLAS"); break;
    case MRC_KERNEL_BY_MRCYCLE:
        snprintf(out, capacity, "chosen by mrcycle: OpenBLAS by itself runs %s", c->other);
        break;
    case MRC_KERNEL_BY_USER:
        snprintf(out, capacity, "set by the user: OPENBLAS_CORETYPE is %s", c->other);
        break;
    case MRC_KERNEL_FALLBACK:
        snprintf(out, capacity, "chosen by OpenBLAS: %s computes wrong sums here", c->other);
        break;
    }
}

static double gib(uint64_t bytes) {
    return (double)bytes / (1024.0 * 1024.0 * 1024.0);
}

static void print_confined(struct mrc_text *out, const struct mrc_system *s) {
    mrc_text_appendf(out, "decoders   ");
    if (s->confined.calls)
        mrc_text_appendf(out, "without network, writing, exec and ptrace (seccomp)");
    else
        mrc_text_appendf(out, "NOT held from network, exec and ptrace: the kernel has no seccomp");
    if (s->confined.files)
        mrc_text_appendf(out, "; see the files they read and no other (Landlock %d)\n",
                         s->landlock);
    else
        mrc_text_appendf(out, "; NOT held from other files: the kernel has no Landlock\n");
}

enum mrc_status mrc_system_print(struct mrc_text *out, const struct mrc_system *s,
                                 struct mrc_error *err) {
    char why[96];
    explain_choice(why, sizeof why, s);
    mrc_text_appendf(out, "program    mrcycle %s\n", MRC_VERSION);
    mrc_text_appendf(out, "processor  %s;%s%s%s%s\n", s->cpu.name,
                     s->cpu.avx2_fma ? " AVX2 FMA" : "", s->cpu.avx512 ? " AVX-512" : "",
                     s->cpu.avx512_bf16 ? " BF16" : "",
                     s->cpu.avx2_fma || s->cpu.avx512 ? "" : " none of AVX2, AVX-512");
    mrc_text_appendf(out, "cores      %d\n", s->cores);
    mrc_text_appendf(out,
                     "threads    %d of mrcycle's; OpenBLAS computes on these, on none of its own\n",
                     s->threads);
    mrc_text_appendf(out, "BLAS       %s\n", s->blas);
    mrc_text_appendf(out, "kernel     %s, %s\n", s->kernel, why);
    if (s->faster != NULL)
        mrc_text_appendf(out, "faster     %s: this processor can run it\n", s->faster);
    mrc_text_appendf(out, "transforms %s, of convolutions by minimal filtering\n", s->transforms);
    mrc_text_appendf(out, "sums       %s: the largest error is %.2g of a sum's terms\n",
                     s->sums_right ? "right" : "WRONG", s->worst_error);
    mrc_text_appendf(out, "memory     %.1f GiB, %.1f GiB available\n", gib(s->memory_bytes),
                     gib(s->available_bytes));
    print_confined(out, s);
    mrc_text_appendf(out, "libraries ");
    for (int l = 0; l < MRC_LIBRARIES; ++l)
        mrc_text_appendf(out, "%s %s %s", l > 0 ? "," : "", s->libraries[l].name,
                         s->libraries[l].version);
    mrc_text_appendf(out, "\n");
    return out->failed ? mrc_fail(err, MRC_ERR_NOMEM, "info: out of memory") : MRC_OK;
}

static const char *chooser_name(enum mrc_kernel_chooser by) {
    static const char *const names[] = {[MRC_KERNEL_BY_OPENBLAS] = "openblas",
                                        [MRC_KERNEL_BY_MRCYCLE] = "mrcycle",
                                        [MRC_KERNEL_BY_USER] = "user",
                                        [MRC_KERNEL_FALLBACK] = "openblas"};
    return names[by];
}

static void add_cpu(cJSON *root, const struct mrc_cpu *cpu) {
    cJSON *node = cJSON_AddObjectToObject(root, "processor");
    cJSON_AddStringToObject(node, "name", cpu->name);
    cJSON_AddBoolToObject(node, "avx2_fma", cpu->avx2_fma);
    cJSON_AddBoolToObject(node, "avx512", cpu->avx512);
    cJSON_AddBoolToObject(node, "avx512_bf16", cpu->avx512_bf16);
}

static void add_blas(cJSON *root, const struct mrc_system *s) {
    char why[96];
    explain_choice(why, sizeof why, s);
    cJSON *node = cJSON_AddObjectToObject(root, "blas");
    cJSON_AddStringToObject(node, "library", s->blas);
    cJSON_AddStringToObject(node, "kernel", s->kernel);
    cJSON_AddStringToObject(node, "chosen_by", chooser_name(s->choice.by));
    cJSON_AddStringToObject(node, "why", why);
    if (s->faster != NULL)
        cJSON_AddStringToObject(node, "faster_kernel", s->faster);
    else
        cJSON_AddNullToObject(node, "faster_kernel");
    cJSON_AddBoolToObject(node, "sums_right", s->sums_right);
    cJSON_AddNumberToObject(node, "worst_error", s->worst_error); /* null when infinite */
}

static void add_confined(cJSON *root, const struct mrc_system *s) {
    cJSON *node = cJSON_AddObjectToObject(root, "decoders");
    cJSON_AddBoolToObject(node, "seccomp", s->confined.calls);
    cJSON_AddBoolToObject(node, "landlock", s->confined.files);
    cJSON_AddNumberToObject(node, "landlock_version", s->landlock);
}

enum mrc_status mrc_system_print_json(struct mrc_text *out, const struct mrc_system *s,
                                      struct mrc_error *err) {
    cJSON *root = mrc_json_begin();
    cJSON_AddStringToObject(root, "version", MRC_VERSION);
    add_cpu(root, &s->cpu);
    cJSON_AddNumberToObject(root, "cores", s->cores);
    cJSON_AddNumberToObject(root, "threads", s->threads);
    add_blas(root, s);
    cJSON_AddStringToObject(root, "transforms", s->transforms);
    cJSON_AddNumberToObject(root, "memory_bytes", (double)s->memory_bytes);
    cJSON_AddNumberToObject(root, "available_bytes", (double)s->available_bytes);
    add_confined(root, s);
    cJSON *libraries = cJSON_AddObjectToObject(root, "libraries");
    for (int l = 0; l < MRC_LIBRARIES; ++l)
        cJSON_AddStringToObject(libraries, s->libraries[l].name, s->libraries[l].version);
    char *text = mrc_json_print(root, true);
    if (text != NULL) mrc_text_appendf(out, "%s\n", text);
    bool failed = text == NULL || out->failed;
    cJSON_free(text);
    cJSON_Delete(root);
    return failed ? mrc_fail(err, MRC_ERR_NOMEM, "info: out of memory") : MRC_OK;
}

/* --- Is it fit? --- */

/* A translation of a fine scan, with its report. */
static const double ENOUGH_GIB = 1.0;

static enum mrc_status do_nothing(void *context, size_t job, mrc_isolate_sink *sink,
                                  struct mrc_error *err) {
    (void)context, (void)job;
    return mrc_isolate_send(sink, "", 1, err);
}

static enum mrc_status count_bytes(void *context, size_t job, const void *bytes, size_t size,
                                   struct mrc_error *err) {
    (void)job, (void)bytes, (void)err;
    *(size_t *)context += size;
    return MRC_OK;
}

static enum mrc_status pass_on(void *context, size_t job, enum mrc_status status, const char *why,
                               bool ended, struct mrc_error *err) {
    (void)context, (void)job, (void)ended;
    return status == MRC_OK ? MRC_OK : mrc_fail(err, status, "a child process %s", why);
}

static bool check_isolation(char why[256]) {
    enum { JOBS = 2 };
    size_t bytes = 0;
    struct mrc_error err = {0};
    const struct mrc_isolate_limits limits = MRC_ISOLATE_DEFAULTS;
    const struct mrc_isolate_work work = {
        .context = &bytes, .run = do_nothing, .take = count_bytes, .finish = pass_on};
    bool good = mrc_isolate_run(&work, JOBS, &limits, &err) == MRC_OK && bytes == JOBS;
    snprintf(why, 256, "%.255s", good ? "" : err.text);
    return good;
}

void mrc_system_check(struct mrc_fitness *f, const struct mrc_system *s) {
    struct mrc_error err = {0};
    *f = (struct mrc_fitness){.sums = s->sums_right,
                              .speed = s->faster == NULL,
                              .memory =
                                  s->available_bytes == 0 || gib(s->available_bytes) >= ENOUGH_GIB};
    f->model = mrc_model_file_check(NULL, &err) == MRC_OK;
    if (!f->model) snprintf(f->why_model, sizeof f->why_model, "%.255s", err.text);
    f->isolation = check_isolation(f->why_isolation);
}

void mrc_system_print_fitness(struct mrc_text *out, const struct mrc_fitness *f,
                              const struct mrc_system *s) {
    const struct {
        bool good;
        const char *name, *yes, *no, *why;
    } all[] = {
        {f->model, "model", "found, whole, and can be loaded",
         "NOT to be had; reinstall, or set MRCYCLE_MODEL_DIR or --model: ", f->why_model},
        {f->isolation, "isolation", "strangers' files are read in child processes with limits",
         "NO child processes can be had; allow some more: ", f->why_isolation},
        {f->memory, "room", "enough for a translation",
         "LITTLE memory: a translation may need 1 GiB", ""},
        {f->sums, "right", "OpenBLAS computes right", "OpenBLAS computes WRONG; install another",
         ""},
        {f->speed, "fast", "the fastest kernel this processor has runs",
         "slower than need be; unset OPENBLAS_CORETYPE, or set it to ",
         s->faster != NULL ? s->faster : ""},
    };
    bool fit = true;
    for (size_t n = 0; n < sizeof all / sizeof *all; ++n) {
        mrc_text_appendf(out, "%-10s %s%s\n", all[n].name, all[n].good ? all[n].yes : all[n].no,
                         all[n].good ? "" : all[n].why);
        fit = fit && (all[n].good || n + 1 == sizeof all / sizeof *all); /* slow is fit */
    }
    mrc_text_appendf(out, "fit        %s\n", fit ? "yes" : "NO: see above");
}
