/* bench_heads.c: mrcycle-bench-heads LABELS [SIZE [COUNT]]: processor time of computed heads on one
 * thread: whole subjects of 36 slices of 5 mm, in four contrasts, without writing them; and samples
 * of SIZE x SIZE pixels (192) as training takes them. Processor time, since machines are shared. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "app/heads/head.h"
#include "app/heads/library.h"
#include "app/heads/source.h"
#include "base/alloc.h"
#include "base/parallel.h"
#include "base/text.h"

static double cpu_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void stop_on(enum mrc_status st, const struct mrc_error *err) {
    if (st == MRC_OK) return;
    fprintf(stderr, "mrcycle-bench-heads: %s\n", err->text);
    exit(1);
}

static void set(struct mrc_sim_config *c, enum mrc_sim_key key, double value) {
    c->lo[key] = c->hi[key] = value;
}

static double one_subject(struct mrc_sim_library *l, const struct mrc_sim_config *config,
                          uint64_t number, int *slices) {
    struct mrc_sim_head h;
    struct mrc_error err = {0};
    mrc_sim_scratch *scratch = NULL;
    const size_t map = mrc_sim_library_choose(l, 1, number);
    const double begun = cpu_s();
    stop_on(mrc_sim_head_init(&h, config, l->map[map], &l->normals, 1, number, MRC_AXIAL, &err),
            &err);
    stop_on(mrc_sim_head_prepare(&h, 0, h.scan.grid.n[2] - 1, &err), &err);
    stop_on(mrc_sim_scratch_create(&scratch, &h, &err), &err);
    const size_t pixels = (size_t)h.scan.grid.n[0] * (size_t)h.scan.grid.n[1];
    float *all = mrc_alloc(6 * pixels, sizeof *all);
    if (all == NULL) exit(1);
    float *image[MRC_SIM_CONTRASTS] = {all, all + pixels, all + 2 * pixels, all + 3 * pixels};
    for (int k = 0; k < h.scan.grid.n[2]; ++k)
        mrc_sim_head_render(&h, k, scratch, image, all + 4 * pixels, all + 5 * pixels);
    *slices = h.scan.grid.n[2];
    mrc_free(all);
    mrc_sim_scratch_destroy(scratch);
    mrc_sim_head_clear(&h);
    return cpu_s() - begun;
}

static void time_subjects(const char *labels, int count) {
    struct mrc_sim_library l;
    struct mrc_sim_config config;
    struct mrc_error err = {0};
    double all = 0.0, slices = 0.0;
    const double begun = cpu_s();
    stop_on(mrc_sim_library_open(&l, &labels, 1, NULL, &err), &err);
    bool *wanted = mrc_alloc(l.count, sizeof *wanted);
    for (size_t m = 0; wanted != NULL && m < l.count; ++m) wanted[m] = true;
    stop_on(mrc_sim_library_read(&l, wanted, &err), &err);
    printf("read: %.3f s a map, %zu maps\n", (cpu_s() - begun) / (double)l.count, l.count);
    mrc_sim_config_init(&config);
    set(&config, MRC_SIM_PIXEL_RANGE, 1.0);
    set(&config, MRC_SIM_SPACING_RANGE, 5.0);
    set(&config, MRC_SIM_FOV_RANGE, 240.0);
    set(&config, MRC_SIM_ISOTROPIC_RANGE, 0.0);
    for (int n = 0; n < count; ++n) {
        int k = 0;
        all += one_subject(&l, &config, (uint64_t)n, &k);
        slices += k;
    }
    printf("subjects: %.3f s each, %.1f slices of 240x240: %.3f s for 36\n", all / count,
           slices / count, 36.0 * all / slices);
    mrc_free(wanted);
    mrc_sim_library_clear(&l);
}

static void time_samples(const char *labels, int64_t size, int count) {
    struct mrc_sim_source_options o;
    mrc_sim_source *source = NULL;
    struct mrc_sim_sample sample = {.tissue = NULL};
    struct mrc_error err = {0};
    mrc_sim_source_options_init(&o);
    o.maps = &labels;
    o.map_count = 1;
    o.size = size;
    stop_on(mrc_sim_source_create(&source, &o, &err), &err);
    float *image = mrc_alloc(4 * (size_t)(size * size), sizeof *image);
    if (image == NULL) exit(1);
    sample.image[0] = image;
    sample.image[1] = image + size * size;
    sample.tissue = image + 2 * size * size;
    sample.lesion = image + 3 * size * size;
    const double begun = cpu_s();
    for (int n = 0; n < count; ++n)
        stop_on(mrc_sim_source_fetch(source, &sample, (uint64_t)n, &err), &err);
    const double s = (cpu_s() - begun) / count;
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    printf("samples: %.4f s each of %lldx%lld: %.1f pairs a second on one core; peak %ld MiB\n", s,
           (long long)size, (long long)size, 1.0 / s, usage.ru_maxrss / 1024);
    mrc_free(image);
    mrc_sim_source_destroy(source);
}

int main(int argc, char **argv) {
    int64_t size = 192, count = 40;
    if (argc < 2 || (argc > 2 && mrc_parse_i64(&size, argv[2], 16, 1024) != MRC_OK) ||
        (argc > 3 && mrc_parse_i64(&count, argv[3], 1, 100000) != MRC_OK)) {
        fprintf(stderr, "Usage: mrcycle-bench-heads LABELS [SIZE [COUNT]]\n");
        return 1;
    }
    mrc_parallel_set_threads(1);
    time_subjects(argv[1], (int)(count < 10 ? count : 10));
    time_samples(argv[1], size, (int)count);
    return 0;
}
