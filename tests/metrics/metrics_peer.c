/* metrics_peer.c: our metrics of arrays that metrics_peer.py made, one "name value" a line.
 *   metrics_peer pair ROWS COLUMNS IMAGE TRUTH MASK     raw float32, float32, uint8
 *   metrics_peer features FEATURES COUNT_A A COUNT_B B  raw float64, row-major
 *   metrics_peer classes N VALUES                       raw float32 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/text.h"
#include "metrics/difference.h"
#include "metrics/distribution.h"
#include "metrics/radiomics.h"
#include "metrics/similarity.h"
#include "metrics/tissue.h"

enum { LIMIT = 1 << 28 };

static void *read_raw(const char *path, size_t bytes) {
    unsigned char *data = NULL;
    size_t size = 0;
    struct mrc_error err = {0};
    if (mrc_read_file(&data, &size, path, LIMIT, &err) != MRC_OK || size != bytes) {
        fprintf(stderr, "%s: %zu bytes, expected %zu %s\n", path, size, bytes, err.text);
        mrc_free(data);
        return NULL;
    }
    return data;
}

static int64_t number(const char *text) {
    int64_t n = 0;
    return mrc_parse_i64(&n, text, 1, LIMIT) == MRC_OK ? n : 0;
}

static int print_pair(struct mrc_pair *p, const char *suffix) {
    struct mrc_error err = {0};
    struct mrc_tissue_agreement tissue;
    double ssim, ms_ssim;
    if (mrc_ssim(&ssim, p, &err) != MRC_OK || mrc_ms_ssim(&ms_ssim, p, &err) != MRC_OK) return 1;
    if (mrc_tissue_compare(&tissue, p->image, p->truth, (size_t)(p->rows * p->columns), p->mask,
                           &err) != MRC_OK)
        return 1;
    printf("psnr%s %.17g\nmae%s %.17g\nmse%s %.17g\n", suffix, mrc_psnr(p), suffix, mrc_mae(p),
           suffix, mrc_mse(p));
    printf("nmi%s %.17g\nsharpness%s %.17g\n", suffix, mrc_nmi(p), suffix, mrc_edge_sharpness(p));
    printf("ssim%s %.17g\nms_ssim%s %.17g\n", suffix, ssim, suffix, ms_ssim);
    for (int t = 0; t < MRC_TISSUE_CLASSES; ++t)
        printf("dice_%s%s %.17g\nvolume_%s%s %.17g\n", mrc_tissue_class_name(t), suffix,
               tissue.dice[t], mrc_tissue_class_name(t), suffix, tissue.volume_error[t]);
    return 0;
}

static int run_pair(char **a) {
    struct mrc_pair p = {.rows = number(a[0]), .columns = number(a[1])};
    const size_t pixels = (size_t)(p.rows * p.columns);
    float *image = read_raw(a[2], pixels * sizeof *image);
    float *truth = read_raw(a[3], pixels * sizeof *truth);
    unsigned char *mask = read_raw(a[4], pixels);
    double features[MRC_RADIOMIC_FEATURES];
    struct mrc_error err = {0};
    int failed = image == NULL || truth == NULL || mask == NULL;
    if (!failed) {
        p.image = image;
        p.truth = truth;
        failed = print_pair(&p, "");
        p.mask = mask;
        failed = failed || print_pair(&p, "_masked");
        failed = failed || mrc_radiomic_features(features, image, p.rows, p.columns, mask, &err);
    }
    for (int f = 0; !failed && f < MRC_RADIOMIC_FEATURES; ++f)
        printf("feature_%d %.17g\n", f, features[f]);
    mrc_free(mask);
    mrc_free(truth);
    mrc_free(image);
    return failed;
}

static int run_features(char **args) {
    const size_t d = (size_t)number(args[0]);
    struct mrc_features a = {.count = (size_t)number(args[1]), .features = d};
    struct mrc_features b = {.count = (size_t)number(args[3]), .features = d};
    double *va = read_raw(args[2], a.count * d * sizeof *va);
    double *vb = read_raw(args[4], b.count * d * sizeof *vb), frechet = 0.0;
    struct mrc_error err = {0};
    a.values = va;
    b.values = vb;
    int failed = va == NULL || vb == NULL || mrc_frechet_distance(&frechet, &a, &b, &err) != MRC_OK;
    if (!failed) printf("frechet %.17g\nkernel %.17g\n", frechet, mrc_kernel_distance(&a, &b));
    mrc_free(vb);
    mrc_free(va);
    return failed;
}

static int run_classes(char **args) {
    const size_t n = (size_t)number(args[0]);
    float *v = read_raw(args[1], n * sizeof *v);
    double between[MRC_TISSUE_CLASSES - 1];
    struct mrc_error err = {0};
    int failed = v == NULL || mrc_tissue_thresholds(between, v, n, NULL, &err) != MRC_OK;
    if (!failed) printf("first %.17g\nsecond %.17g\n", between[0], between[1]);
    mrc_free(v);
    return failed;
}

int main(int argc, char **argv) {
    if (argc == 7 && strcmp(argv[1], "pair") == 0) return run_pair(argv + 2);
    if (argc == 7 && strcmp(argv[1], "features") == 0) return run_features(argv + 2);
    if (argc == 4 && strcmp(argv[1], "classes") == 0) return run_classes(argv + 2);
    fputs("usage: see metrics_peer.c\n", stderr);
    return 2;
}
