/* made.c: see made.h. */
#include "made.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/fs.h"
#include "support.h"

static char dir[256];

const char *made_dir(void) {
    if (dir[0] == '\0') {
        const char *base = getenv("TMPDIR");
        (void)snprintf(dir, sizeof dir, "%s/mrc-io-XXXXXX", base != NULL ? base : "/tmp");
        assert_non_null(mkdtemp(dir));
    }
    return dir;
}

void made_clear(void) {
    if (dir[0] != '\0') mrc_remove_tree(dir);
    dir[0] = '\0';
}

const char *made_path(const char *name) {
    static char paths[32][512];
    static unsigned next = 0;
    char *path = paths[next++ % 32];
    (void)snprintf(path, sizeof paths[0], "%s/%s", made_dir(), name);
    return path;
}

mrc_volume *made_volume(struct mrc_extent e, double index_to_ras_mm[3][4], float first) {
    struct mrc_geometry g;
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    mrc_geometry_init(&g);
    if (index_to_ras_mm != NULL)
        assert_ok(mrc_geometry_from_ras(&g, index_to_ras_mm, "made", &err), &err);
    assert_ok(mrc_volume_create(&vol, e, &g, &err), &err);
    float *x = mrc_volume_voxels(vol);
    for (int64_t k = 0; k < e.k; ++k) {
        for (int64_t j = 0; j < e.j; ++j) {
            for (int64_t i = 0; i < e.i; ++i) *x++ = first + (float)(i + 10 * j + 100 * k);
        }
    }
    return vol;
}

mrc_volume *made_result(const mrc_volume *source) {
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    assert_ok(mrc_volume_create_like(&vol, source, &err), &err);
    int64_t count = mrc_extent_count(mrc_volume_extent(vol));
    for (int64_t v = 0; v < count; ++v) mrc_volume_voxels(vol)[v] = (float)(v % 1000) / 999.0f;
    return vol;
}

unsigned char *made_read(const char *path, size_t *size) {
    unsigned char *data = NULL;
    struct mrc_error err = {0};
    assert_ok(mrc_read_file(&data, size, path, 64u << 20, &err), &err);
    return data;
}

void made_write(const char *path, const void *data, size_t size) {
    struct mrc_error err = {0};
    assert_ok(mrc_write_file(path, data, size, &err), &err);
}

void made_limit_files(size_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes > 0 ? (rlim_t)bytes : limit.rlim_max;
    (void)signal(SIGXFSZ, bytes > 0 ? SIG_IGN : SIG_DFL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

const struct mrc_derivation made_derivation = {
    .from = MRC_CONTRAST_T1W,
    .to = MRC_CONTRAST_T2W,
    .software_version = "0.1.0",
    .model_name = "t1w-t2w-64",
    .model_hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    .steps = "axial; square 256 mm; 64 x 64",
    .settings = "size=64",
};
