/* phantom_image.c: the signal equations, partial volume, receive field and noise.
 * Tissue values at 1.5 T are those of the BrainWeb simulator (Kwan, Evans, Pike: "MRI
 * simulation-based evaluation of image-processing and classification methods", IEEE TMI 18, 1999),
 * which are one consistent set; marrow, eye, pallidum and the marker (an oil capsule) are estimates. With
 * them, T1w has white > grey > CSF, T2w CSF > grey > white, and the FLAIR's inversion time is the
 * one at which CSF passes through zero. */
#include "app/heads/phantom_image.h"

#include <math.h>
#include <stdlib.h>

#include "base/parallel.h"
#include "base/rng.h"

#define GAIN      4000.0 /* stored value of full magnetisation */
#define SAMPLE_MM 2.0    /* boundaries are blurred analytically within a sample */

static const struct {
    double t1_ms, t2_ms, density;
} relaxation[MRC_TISSUES] = {
    [MRC_TISSUE_AIR] = {1000, 100, 0.0},      [MRC_TISSUE_CSF] = {2569, 329, 1.0},
    [MRC_TISSUE_CORTEX] = {833, 83, 0.86},    [MRC_TISSUE_WHITE] = {500, 70, 0.77},
    [MRC_TISSUE_DEEP_GREY] = {740, 78, 0.84}, [MRC_TISSUE_VENTRICLE] = {2569, 329, 1.0},
    [MRC_TISSUE_LESION] = {752, 237, 0.76},   [MRC_TISSUE_BONE] = {1000, 5, 0.05},
    [MRC_TISSUE_MARROW] = {400, 60, 0.6},     [MRC_TISSUE_FAT] = {350, 70, 1.0},
    [MRC_TISSUE_MUSCLE] = {900, 47, 1.0},     [MRC_TISSUE_EYE] = {2400, 300, 1.0},
    [MRC_TISSUE_MARKER] = {250, 150, 1.0},    [MRC_TISSUE_PALLIDUM] = {620, 60, 0.79},
};

const struct mrc_phantom_sequence mrc_phantom_sequences[MRC_PHANTOM_SEQUENCES] = {
    {MRC_CONTRAST_T1W, "T1w spin echo", "SE", 500, 12, 0},
    {MRC_CONTRAST_T2W, "T2w spin echo", "SE", 4500, 100, 0},
    {MRC_CONTRAST_PDW, "PDw spin echo", "SE", 3000, 15, 0},
    {MRC_CONTRAST_FLAIR, "FLAIR", "SE\\IR", 9000, 110, 1704},
};

double mrc_phantom_signal(enum mrc_tissue tissue, const struct mrc_phantom_sequence *sequence) {
    const double t1 = relaxation[tissue].t1_ms, t2 = relaxation[tissue].t2_ms;
    double recovered = 1.0 - exp(-sequence->repetition_time_ms / t1);
    if (sequence->inversion_time_ms > 0.0)
        recovered = 1.0 - 2.0 * exp(-sequence->inversion_time_ms / t1) +
                    exp(-sequence->repetition_time_ms / t1);
    return relaxation[tissue].density * recovered * exp(-sequence->echo_time_ms / t2);
}

/* --- Grid --- */

/* Left, Posterior, Superior part of columns, rows and slices. */
static const int directions[3][3][3] = {
    [MRC_AXIAL] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
    [MRC_SAGITTAL] = {{0, 1, 0}, {0, 0, -1}, {-1, 0, 0}},
    [MRC_CORONAL] = {{1, 0, 0}, {0, 0, -1}, {0, 1, 0}},
};

enum mrc_status mrc_phantom_grid(struct mrc_extent *extent, struct mrc_geometry *geometry,
                                 const struct mrc_phantom_options *options, struct mrc_error *err) {
    static const double box_mm[3] = MRC_HEAD_BOX_MM;
    double lps[3][4] = {{0}};
    int64_t side[3];
    for (int s = 0; s < 3; ++s) {
        const int *to = directions[options->acquisition][s];
        const double mm = options->voxel_mm[s];
        double length = 0.0;
        for (int a = 0; a < 3; ++a) length += abs(to[a]) * box_mm[a];
        side[s] = (int64_t)ceil(length / mm - 1e-9);
        for (int a = 0; a < 3; ++a) {
            lps[a][s] = to[a] * mm;
            lps[a][3] -= to[a] * mm * 0.5 * (double)(side[s] - 1);
        }
    }
    *extent = (struct mrc_extent){side[0], side[1], side[2]};
    return mrc_geometry_from_lps(geometry, lps, "phantom", err);
}

/* --- Receive field --- */

enum { TERMS = 9 };

struct receive_field {
    double weight[TERMS];
};

static struct receive_field receive_field_for(uint64_t seed, int subject, int sequence) {
    struct mrc_rng rng =
        mrc_rng_for(seed, (uint32_t)subject, 1 + (uint64_t)sequence, MRC_FOR_PHANTOM);
    struct receive_field f;
    double sum = 0.0;
    for (int n = 0; n < TERMS; ++n) {
        f.weight[n] = 2.0 * mrc_rng_uniform(&rng) - 1.0;
        sum += fabs(f.weight[n]);
    }
    for (int n = 0; n < TERMS; ++n) f.weight[n] *= 2.0 / sum;
    return f;
}

static double receive_field_at(const struct receive_field *f, const double ras_mm[3], double bias) {
    const double x = ras_mm[0] / 100.0, y = ras_mm[1] / 100.0, z = ras_mm[2] / 100.0;
    const double term[TERMS] = {x,     y,           z,           x * y,      y * z,
                                x * z, x * x - 0.3, y * y - 0.3, z * z - 0.3};
    double sum = 0.0;
    for (int n = 0; n < TERMS; ++n) sum += f->weight[n] * term[n];
    return exp(bias * sum);
}

/* --- Rendering --- */

struct rendering {
    struct mrc_head head;
    const struct mrc_phantom_options *options;
    const struct mrc_geometry *geometry;
    struct mrc_extent extent;
    int subject, parts[3]; /* samples a voxel along each axis */
    double width_mm;
    double signal[MRC_PHANTOM_SEQUENCES][MRC_TISSUES], sigma[MRC_PHANTOM_SEQUENCES];
    struct receive_field field[MRC_PHANTOM_SEQUENCES];
    float *image[MRC_PHANTOM_SEQUENCES], *tissue;
};

/* Mean of the tissues over a voxel. */
static void voxel_fractions(double mean[MRC_TISSUES], const struct rendering *r,
                            const double index[3]) {
    const int *parts = r->parts, count = parts[0] * parts[1] * parts[2];
    for (int t = 0; t < MRC_TISSUES; ++t) mean[t] = 0.0;
    for (int n = 0; n < count; ++n) {
        const int part[3] = {n % parts[0], n / parts[0] % parts[1], n / (parts[0] * parts[1])};
        double at[3], ras_mm[3], fraction[MRC_TISSUES];
        for (int a = 0; a < 3; ++a) at[a] = index[a] + (part[a] + 0.5) / parts[a] - 0.5;
        mrc_geometry_position(ras_mm, r->geometry, at[0], at[1], at[2]);
        mrc_head_at(fraction, &r->head, ras_mm, r->width_mm);
        for (int t = 0; t < MRC_TISSUES; ++t) mean[t] += fraction[t] / count;
    }
}

static float largest_tissue(const double fraction[MRC_TISSUES]) {
    int best = 0;
    for (int t = 1; t < MRC_TISSUES; ++t)
        if (fraction[t] > fraction[best]) best = t;
    return (float)best;
}

/* Magnitude of a complex signal with noise in both parts (Gudbjartsson, Patz 1995): noise of a
 * Rayleigh length in a random direction, from the two halves of one draw. */
static double rician(double signal, double sigma, struct mrc_rng *rng) {
    if (sigma <= 0.0) return fabs(signal);
    const uint64_t bits = mrc_rng_u64(rng);
    const double u = ((double)(bits >> 32) + 0.5) / 4294967296.0;
    const double turn = (double)(bits & 0xffffffffu) / 4294967296.0;
    const double length = sigma * sqrt(-2.0 * log(u));
    if (signal == 0.0) return length;
    const double along = length * cos(6.283185307179586 * turn);
    return sqrt(fmax(signal * signal + 2.0 * signal * along + length * length, 0.0));
}

/* One voxel of all images. */
static void render_voxel(const struct rendering *r, size_t at, const double index[3],
                         struct mrc_rng noise[MRC_PHANTOM_SEQUENCES]) {
    double fraction[MRC_TISSUES], ras_mm[3];
    voxel_fractions(fraction, r, index);
    mrc_geometry_position(ras_mm, r->geometry, index[0], index[1], index[2]);
    r->tissue[at] = largest_tissue(fraction);
    for (int c = 0; c < MRC_PHANTOM_SEQUENCES; ++c) {
        double signal = 0.0;
        for (int t = MRC_TISSUE_AIR + 1; t < MRC_TISSUES; ++t)
            signal += fraction[t] * r->signal[c][t];
        if (signal != 0.0) signal *= receive_field_at(&r->field[c], ras_mm, r->options->bias);
        double value = GAIN * rician(signal, r->sigma[c], &noise[c]);
        r->image[c][at] = (float)fmin(floor(value + 0.5), 32767.0);
    }
}

/* Items are rows of voxels; each has its own stream of noise per sequence. */
static void render_rows(void *context, size_t begin, size_t end, int lane) {
    const struct rendering *r = context;
    (void)lane;
    for (size_t row = begin; row < end; ++row) {
        struct mrc_rng noise[MRC_PHANTOM_SEQUENCES];
        for (int c = 0; c < MRC_PHANTOM_SEQUENCES; ++c)
            noise[c] = mrc_rng_for(r->options->seed, (uint32_t)r->subject, (uint64_t)c << 32 | row,
                                   MRC_FOR_NOISE);
        double index[3] = {0, (double)(row % (size_t)r->extent.j),
                           (double)(row / (size_t)r->extent.j)};
        for (int64_t i = 0; i < r->extent.i; ++i) {
            const size_t at = row * (size_t)r->extent.i + (size_t)i;
            index[0] = (double)i;
            render_voxel(r, at, index, noise);
        }
    }
}

static void rendering_init(struct rendering *r, const struct mrc_phantom_options *options,
                           int subject) {
    r->options = options;
    r->subject = subject;
    mrc_head_init(&r->head, options->seed, subject, options->lesions);
    r->width_mm = 0.0;
    for (int a = 0; a < 3; ++a) {
        r->parts[a] = (int)fmax(1.0, floor(options->voxel_mm[a] / SAMPLE_MM + 0.5));
        r->width_mm = fmax(r->width_mm, options->voxel_mm[a] / r->parts[a]);
    }
    for (int c = 0; c < MRC_PHANTOM_SEQUENCES; ++c) {
        for (int t = 0; t < MRC_TISSUES; ++t)
            r->signal[c][t] = mrc_phantom_signal((enum mrc_tissue)t, &mrc_phantom_sequences[c]);
        r->sigma[c] = options->noise * r->signal[c][MRC_TISSUE_CORTEX];
        r->field[c] = receive_field_for(options->seed, subject, c);
    }
}

enum mrc_status mrc_phantom_render(mrc_volume *image[MRC_PHANTOM_SEQUENCES], mrc_volume **tissue,
                                   const struct mrc_phantom_options *options, int subject,
                                   struct mrc_error *err) {
    struct rendering r;
    struct mrc_geometry geometry;
    for (int c = 0; c < MRC_PHANTOM_SEQUENCES; ++c) image[c] = NULL;
    *tissue = NULL;
    enum mrc_status st = mrc_phantom_check(options, err);
    if (st == MRC_OK) st = mrc_phantom_grid(&r.extent, &geometry, options, err);
    if (st == MRC_OK) st = mrc_volume_create(tissue, r.extent, &geometry, err);
    for (int c = 0; c < MRC_PHANTOM_SEQUENCES && st == MRC_OK; ++c) {
        struct mrc_provenance provenance = {.contrast = mrc_phantom_sequences[c].contrast};
        st = mrc_volume_create(&image[c], r.extent, &geometry, err);
        if (st != MRC_OK) break;
        mrc_volume_adopt_provenance(image[c], &provenance);
        r.image[c] = mrc_volume_voxels(image[c]);
    }
    if (st != MRC_OK) {
        for (int c = 0; c < MRC_PHANTOM_SEQUENCES; ++c) {
            mrc_volume_destroy(image[c]);
            image[c] = NULL;
        }
        mrc_volume_destroy(*tissue);
        *tissue = NULL;
        return st;
    }
    r.tissue = mrc_volume_voxels(*tissue);
    r.geometry = mrc_volume_geometry(*tissue);
    rendering_init(&r, options, subject);
    mrc_parallel_for((size_t)(r.extent.j * r.extent.k), 8, render_rows, &r);
    return MRC_OK;
}
