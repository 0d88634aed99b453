/* physics.c: the signal equations and what is drawn for them.
 * Spin echoes and spoiled gradient echoes: Bernstein, King, Zhou, "Handbook of MRI Pulse
 * Sequences". The inversion-prepared train: the magnetisation's steady state over inversion, delay,
 * readout and recovery, in closed form (Deichmann et al., NeuroImage 12, 2000, has the same). */
#include "app/heads/physics.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/order.h"

static const double RADIANS = 0.017453292519943295;
static const double T2_STAR = 0.7; /* of T2 */

const enum mrc_contrast mrc_sim_contrasts[MRC_SIM_CONTRASTS] = {
    MRC_CONTRAST_T1W, MRC_CONTRAST_T2W, MRC_CONTRAST_PDW, MRC_CONTRAST_FLAIR};
enum { T1W, T2W, PDW, FLAIR };

const char *mrc_sim_sequence_name(enum mrc_sim_sequence_kind kind) {
    static const char *const names[] = {"SE", "FSE", "IR-FSE", "MPRAGE", "SPGR"};
    return names[kind];
}

/* --- Signal equations --- */

static double spoiled(const struct mrc_sim_sequence *s, double t1_ms) {
    const double e = exp(-s->tr_ms / t1_ms), a = s->flip_deg * RADIANS;
    return sin(a) * (1.0 - e) / (1.0 - cos(a) * e);
}

/* Longitudinal magnetisation before the middle echo. M before an inversion returns to itself after
 * inversion, delay (M1), the train (M2) and recovery. */
static double prepared(const struct mrc_sim_sequence *s, double t1_ms) {
    const double n = s->echoes, a = s->flip_deg * RADIANS;
    const double e = exp(-s->spacing_ms / t1_ms), r = cos(a) * e, steady = (1.0 - e) / (1.0 - r);
    const double delay = fmax(10.0, s->ti_ms - 0.5 * n * s->spacing_ms);
    const double rest = fmax(10.0, s->tr_ms - delay - n * s->spacing_ms);
    const double ea = exp(-delay / t1_ms), ed = exp(-rest / t1_ms), rn = pow(r, n);
    const double m =
        (1.0 - ed + ed * (steady * (1.0 - rn) + rn * (1.0 - ea))) / (1.0 + ed * rn * ea);
    const double after = 1.0 - (1.0 + m) * ea;
    return (steady + (after - steady) * pow(r, 0.5 * n)) * sin(a);
}

double mrc_sim_signal(const struct mrc_sim_sequence *s, const struct mrc_sim_relaxation *r) {
    const double t1 = r->t1_ms, recovered = 1.0 - exp(-s->tr_ms / t1);
    const double decay = exp(-s->te_ms / r->t2_ms);
    const double star = exp(-s->te_ms / (T2_STAR * r->t2_ms));
    switch (s->kind) {
    case MRC_SIM_SE:
    case MRC_SIM_FSE: return r->density * recovered * decay;
    case MRC_SIM_IRFSE:
        return r->density * (1.0 - 2.0 * exp(-s->ti_ms / t1) + exp(-s->tr_ms / t1)) * decay;
    case MRC_SIM_MPRAGE_: return r->density * prepared(s, t1) * star;
    case MRC_SIM_SPGR: return r->density * spoiled(s, t1) * star;
    }
    return 0.0;
}

/* --- One person's tissues --- */

struct draws {
    const struct mrc_sim_config *config;
    struct mrc_rng *rng;
    struct mrc_sim_relaxation white, grey;
    double field; /* 0: the lowest field strength … 1 */
};

static double of(struct draws *d, enum mrc_sim_key key) {
    return mrc_sim_draw(d->rng, d->config, key);
}
#define OF(id) of(d, MRC_SIM_##id##_RANGE)

static double about(struct draws *d, double deviation) {
    return exp(deviation * mrc_rng_normal(d->rng));
}

static double way(double from, double to, double part) {
    return from + (to - from) * part;
}

static double by_field(struct draws *d, enum mrc_sim_key key) {
    return way(d->config->lo[key], d->config->hi[key], d->field);
}

static void draw_white_and_grey(struct mrc_sim_relaxation *t, struct draws *d) {
    struct mrc_sim_relaxation *w = &d->white, *g = &d->grey;
    w->t1_ms = by_field(d, MRC_SIM_WHITE_T1_RANGE) * about(d, 0.06);
    w->t2_ms = OF(WHITE_T2);
    w->density = OF(WHITE_PD);
    g->t1_ms = w->t1_ms * OF(GREY_T1);
    g->t2_ms = w->t2_ms * OF(GREY_T2);
    g->density = w->density * OF(GREY_PD);
    t[MRC_SIM_WHITE] = *w;
    t[MRC_SIM_CORTEX] = *g;
    t[MRC_SIM_CEREBELLAR_WHITE] = (struct mrc_sim_relaxation){
        w->t1_ms * 1.03 * about(d, 0.04), w->t2_ms * about(d, 0.04), w->density * 1.02};
    t[MRC_SIM_CEREBELLAR_CORTEX] =
        (struct mrc_sim_relaxation){g->t1_ms * 0.97 * about(d, 0.04),
                                    g->t2_ms * 0.98 * about(d, 0.04), g->density * about(d, 0.01)};
}

static struct mrc_sim_relaxation between(struct draws *d, double t1, double t2_ms, double density) {
    return (struct mrc_sim_relaxation){way(d->white.t1_ms, d->grey.t1_ms, t1), t2_ms, density};
}

static void draw_deep_grey(struct mrc_sim_relaxation *t, struct draws *d, double age) {
    const struct mrc_sim_relaxation *w = &d->white, *g = &d->grey;
    const double iron = OF(IRON_T2) * age;
    t[MRC_SIM_THALAMUS] = between(d, OF(THALAMUS_T1), way(w->t2_ms, g->t2_ms, OF(THALAMUS_T2)),
                                  way(w->density, g->density, 0.6));
    t[MRC_SIM_CAUDATE] =
        between(d, OF(CAUDATE_T1), g->t2_ms * OF(CAUDATE_T2), g->density * about(d, 0.02));
    t[MRC_SIM_PUTAMEN] = between(d, OF(PUTAMEN_T1), g->t2_ms * OF(PUTAMEN_T2) - 0.75 * iron,
                                 g->density * about(d, 0.02));
    t[MRC_SIM_PALLIDUM] = between(d, OF(PALLIDUM_T1), w->t2_ms * OF(PALLIDUM_T2) - iron,
                                  w->density * OF(PALLIDUM_PD));
    t[MRC_SIM_BRAIN_STEM] = between(d, OF(STEM_T1), w->t2_ms * OF(STEM_T2), w->density * 1.04);
    t[MRC_SIM_VENTRAL_DC] =
        between(d, OF(VENTRAL_T1), w->t2_ms * OF(VENTRAL_T2), w->density * 1.03);
    t[MRC_SIM_HIPPOCAMPUS] = (struct mrc_sim_relaxation){
        g->t1_ms * about(d, 0.04), g->t2_ms * OF(HIPPOCAMPUS_T2), g->density * 1.02};
    t[MRC_SIM_OPTIC_NERVE] = between(d, 0.2, w->t2_ms * 1.05, w->density);
    t[MRC_SIM_CORD] = between(d, 0.25, w->t2_ms * 1.05, w->density);
}

static void draw_fluids(struct mrc_sim_relaxation *t, struct draws *d) {
    const double t1 = OF(FLUID_T1), t2 = OF(FLUID_T2);
    t[MRC_SIM_VENTRICLE] = (struct mrc_sim_relaxation){t1, t2, 1.0};
    t[MRC_SIM_FLUID] =
        (struct mrc_sim_relaxation){t1 * OF(SULCAL_T1), t2 * OF(SULCAL_T2), OF(SULCAL_PD)};
    t[MRC_SIM_CHOROID] = (struct mrc_sim_relaxation){OF(CHOROID_T1), OF(CHOROID_T2), 0.9};
    t[MRC_SIM_EYE] = (struct mrc_sim_relaxation){0.95 * t1, 0.8 * t2, 0.98};
    t[MRC_SIM_CAVITY] = (struct mrc_sim_relaxation){t1 * about(d, 0.05) * 0.95, 0.9 * t2, 1.0};
}

static void draw_around(struct mrc_sim_relaxation *t, struct draws *d) {
    t[MRC_SIM_AIR] = (struct mrc_sim_relaxation){1000, 50, 0.0};
    t[MRC_SIM_LENS] = (struct mrc_sim_relaxation){1000, 30, 0.7};
    t[MRC_SIM_MUSCLE] = (struct mrc_sim_relaxation){
        by_field(d, MRC_SIM_MUSCLE_T1_RANGE) * about(d, 0.1), OF(MUSCLE_T2), OF(MUSCLE_PD)};
    t[MRC_SIM_FAT] = (struct mrc_sim_relaxation){OF(FAT_T1), OF(FAT_T2), OF(FAT_PD)};
    t[MRC_SIM_SKIN] = (struct mrc_sim_relaxation){OF(SKIN_T1), OF(SKIN_T2), OF(SKIN_PD)};
    t[MRC_SIM_MUCOSA] = (struct mrc_sim_relaxation){OF(MUCOSA_T1), OF(MUCOSA_T2), 0.85};
    t[MRC_SIM_BONE] = (struct mrc_sim_relaxation){800, 15, OF(BONE_PD)};
    t[MRC_SIM_MARROW] = (struct mrc_sim_relaxation){OF(MARROW_T1), OF(MARROW_T2), OF(MARROW_PD)};
    t[MRC_SIM_DURA] = (struct mrc_sim_relaxation){OF(DURA_T1), OF(DURA_T2), OF(DURA_PD)};
    t[MRC_SIM_ARTERY] = (struct mrc_sim_relaxation){1500, 150, OF(ARTERY_PD)};
    t[MRC_SIM_VEIN] = (struct mrc_sim_relaxation){1500, 90, OF(VEIN_PD)};
}

static void draw_lesions(struct mrc_sim_relaxation *t, struct draws *d) {
    const struct mrc_sim_relaxation *w = &d->white, *g = &d->grey;
    const bool hidden = mrc_sim_chance(d->rng, d->config, MRC_SIM_HIDDEN_RANGE);
    const double longer = OF(LESION_T1), hide = 1.0 + 0.06 * mrc_rng_uniform(d->rng);
    t[MRC_SIM_WHITE_LESION] =
        (struct mrc_sim_relaxation){w->t1_ms * (hidden ? hide : longer), w->t2_ms * OF(LESION_T2),
                                    hidden ? w->density * 1.08 : 0.82};
    t[MRC_SIM_TUMOUR] =
        (struct mrc_sim_relaxation){g->t1_ms * OF(TUMOUR_T1), g->t2_ms * OF(TUMOUR_T2), 0.85};
    t[MRC_SIM_TUMOUR_RIM] =
        (struct mrc_sim_relaxation){g->t1_ms * OF(TUMOUR_T1), g->t2_ms * OF(TUMOUR_T2), 0.83};
    t[MRC_SIM_OEDEMA] =
        (struct mrc_sim_relaxation){w->t1_ms * OF(OEDEMA_T1), w->t2_ms * OF(OEDEMA_T2), 0.85};
    t[MRC_SIM_NECROSIS] = (struct mrc_sim_relaxation){OF(NECROSIS_T1), OF(NECROSIS_T2), 0.93};
    t[MRC_SIM_INFARCT] = (struct mrc_sim_relaxation){
        g->t1_ms * (1.0 + 0.4 * mrc_rng_uniform(d->rng)), w->t2_ms * OF(OEDEMA_T2), 0.88};
    t[MRC_SIM_HAEMORRHAGE] =
        (struct mrc_sim_relaxation){g->t1_ms * OF(BLOOD_T1), g->t2_ms * OF(BLOOD_T2), 0.82};
}

/* --- One session's sequences --- */

static double magnitude(const struct mrc_sim_sequence *s, const struct mrc_sim_physics *p,
                        enum mrc_sim_tissue tissue) {
    return fabs(mrc_sim_signal(s, &p->tissue[tissue]));
}

/* White matter above grey matter above fluid. */
static bool is_t1w(const struct mrc_sim_sequence *s, const struct mrc_sim_physics *p) {
    const double grey = magnitude(s, p, MRC_SIM_CORTEX);
    return magnitude(s, p, MRC_SIM_WHITE) > 1.03 * grey &&
           1.06 * magnitude(s, p, MRC_SIM_VENTRICLE) < grey &&
           magnitude(s, p, MRC_SIM_FLUID) < grey;
}

/* Fluid above grey matter above white matter above pallidum. */
static bool is_t2w(const struct mrc_sim_sequence *s, const struct mrc_sim_physics *p) {
    const double grey = magnitude(s, p, MRC_SIM_CORTEX), white = magnitude(s, p, MRC_SIM_WHITE);
    return magnitude(s, p, MRC_SIM_VENTRICLE) > 1.3 * grey &&
           magnitude(s, p, MRC_SIM_FLUID) > 1.1 * grey && grey > 1.03 * white &&
           white > 1.01 * magnitude(s, p, MRC_SIM_PALLIDUM);
}

static struct mrc_sim_sequence draw_t1w(struct draws *d) {
    static const enum mrc_sim_sequence_kind kinds[] = {MRC_SIM_SE, MRC_SIM_MPRAGE_, MRC_SIM_SPGR};
    struct mrc_sim_sequence s = {
        .kind = kinds[mrc_sim_choose(d->rng, d->config, MRC_SIM_SPIN_ECHO_RANGE, 3)]};
    switch (s.kind) {
    case MRC_SIM_MPRAGE_:
        s.tr_ms = OF(MPRAGE_TR);
        s.te_ms = 3.0;
        s.ti_ms = OF(MPRAGE_TI);
        s.flip_deg = OF(MPRAGE_FLIP);
        s.spacing_ms = OF(MPRAGE_SPACING);
        s.echoes = (int)fmin(OF(MPRAGE_ECHOES), (s.tr_ms - 20.0) / s.spacing_ms);
        break;
    case MRC_SIM_SPGR:
        s.tr_ms = OF(SPGR_TR);
        s.te_ms = 4.0;
        s.flip_deg = OF(SPGR_FLIP);
        break;
    default:
        s.tr_ms = OF(SE_TR);
        s.te_ms = OF(SE_TE);
        s.flip_deg = 90.0;
    }
    return s;
}

static struct mrc_sim_sequence draw_long(struct draws *d, enum mrc_sim_key tr,
                                         enum mrc_sim_key te) {
    return (struct mrc_sim_sequence){
        .kind = MRC_SIM_FSE, .tr_ms = of(d, tr), .te_ms = of(d, te), .flip_deg = 90.0};
}

/* A sequence is drawn again while it does not give the contrast whose name it has; what is used
 * when none does is in the middle of all protocols. */
enum { ATTEMPTS = 40 };

static void draw_t1w_and_t2w(struct mrc_sim_physics *p, struct draws *d) {
    int left = ATTEMPTS;
    do p->sequence[T1W] = draw_t1w(d);
    while (!is_t1w(&p->sequence[T1W], p) && --left > 0);
    if (left == 0)
        p->sequence[T1W] =
            (struct mrc_sim_sequence){.kind = MRC_SIM_SE, .tr_ms = 420, .te_ms = 8, .flip_deg = 90};
    left = ATTEMPTS;
    do p->sequence[T2W] = draw_long(d, MRC_SIM_T2W_TR_RANGE, MRC_SIM_T2W_TE_RANGE);
    while (!is_t2w(&p->sequence[T2W], p) && --left > 0);
    if (left == 0)
        p->sequence[T2W] = (struct mrc_sim_sequence){
            .kind = MRC_SIM_FSE, .tr_ms = 6500, .te_ms = 115, .flip_deg = 90};
}

/* Fluid is dark. */
static bool is_flair(const struct mrc_sim_sequence *s, const struct mrc_sim_physics *p) {
    return magnitude(s, p, MRC_SIM_VENTRICLE) < 0.5 * magnitude(s, p, MRC_SIM_WHITE);
}

static struct mrc_sim_sequence draw_inverted(const struct mrc_sim_physics *p, struct draws *d) {
    struct mrc_sim_sequence s = draw_long(d, MRC_SIM_FLAIR_TR_RANGE, MRC_SIM_FLAIR_TE_RANGE);
    const double t1 = p->tissue[MRC_SIM_VENTRICLE].t1_ms;
    s.kind = MRC_SIM_IRFSE;
    s.ti_ms = t1 * (log(2.0) - log1p(exp(-s.tr_ms / t1))); /* nulls it */
    s.ti_ms *= OF(FLAIR_NULL);
    return s;
}

static void draw_flair(struct mrc_sim_physics *p, struct draws *d) {
    int left = ATTEMPTS;
    do p->sequence[FLAIR] = draw_inverted(p, d);
    while (!is_flair(&p->sequence[FLAIR], p) && --left > 0);
    const double t1 = p->tissue[MRC_SIM_VENTRICLE].t1_ms;
    const double part = p->tissue[MRC_SIM_FLUID].t1_ms / t1;
    p->flair_fluid_t1_ms = t1 * (1.0 - 0.25 * (1.0 - part));
}

static void draw_fat(struct mrc_sim_physics *p, struct draws *d) {
    p->fat_axis = (int)mrc_rng_below(d->rng, 2);
    for (int c = 0; c < MRC_SIM_CONTRASTS; ++c) {
        const bool off = mrc_sim_chance(
            d->rng, d->config, c == T1W ? MRC_SIM_FAT_OFF_T1W_RANGE : MRC_SIM_FAT_OFF_RANGE);
        const double on = of(d, c == T1W ? MRC_SIM_FAT_T1W_RANGE : MRC_SIM_FAT_LONG_RANGE);
        const double left = OF(FAT_LEFT);
        p->fat[c] = off ? left : on;
        p->fat_shift_px[c] = (int)lrint(OF(FAT_SHIFT));
    }
}

/* Grey matter stays visible, and brighter than fluid. */
static void draw_grey_values(struct mrc_sim_physics *p, struct draws *d) {
    const bool strong = mrc_sim_chance(d->rng, d->config, MRC_SIM_STRONG_RANGE);
    const bool bright = mrc_sim_chance(d->rng, d->config, MRC_SIM_BRIGHT_RANGE);
    const bool curved = mrc_sim_chance(d->rng, d->config, MRC_SIM_CURVED_RANGE);
    const double strong_by = OF(STRONG_BY), bright_by = OF(BRIGHT_BY), curve = OF(CURVE);
    const double grey = magnitude(&p->sequence[T1W], p, MRC_SIM_CORTEX);
    const double inner = magnitude(&p->sequence[T1W], p, MRC_SIM_VENTRICLE);
    const double fluid = fmax(inner, magnitude(&p->sequence[T1W], p, MRC_SIM_FLUID));
    p->floor = strong ? fmin(strong_by, 0.6 * grey / inner) : 0.0;
    p->fluid_t1w = bright && !strong ? fmin(bright_by, 0.97 * grey / fluid) : 1.0;
    p->curve = curved ? curve : 1.0;
}

void mrc_sim_physics_draw(struct mrc_sim_physics *p, const struct mrc_sim_config *config,
                          struct mrc_rng *rng) {
    struct draws draws = {.config = config, .rng = rng}, *d = &draws;
    *p = (struct mrc_sim_physics){.field_t = OF(FIELD), .age = mrc_rng_uniform(rng)};
    const double lo = config->lo[MRC_SIM_FIELD_RANGE], hi = config->hi[MRC_SIM_FIELD_RANGE];
    d->field = hi > lo ? (p->field_t - lo) / (hi - lo) : 0.0;
    draw_white_and_grey(p->tissue, d);
    draw_deep_grey(p->tissue, d, p->age);
    draw_fluids(p->tissue, d);
    draw_around(p->tissue, d);
    draw_lesions(p->tissue, d);
    draw_t1w_and_t2w(p, d);
    p->sequence[PDW] = draw_long(d, MRC_SIM_PDW_TR_RANGE, MRC_SIM_PDW_TE_RANGE);
    draw_flair(p, d);
    draw_fat(p, d);
    draw_grey_values(p, d);
    p->texture = OF(TEXTURE);
    p->inflow = OF(INFLOW);
    p->pulsation = OF(PULSATION);
    p->pulsation_from = OF(PULSATION_FROM);
}

/* --- Signals of one session --- */

static bool is_gradient_echo(const struct mrc_sim_sequence *s) {
    return s->kind == MRC_SIM_MPRAGE_ || s->kind == MRC_SIM_SPGR;
}

static struct mrc_sim_relaxation relaxation_at(const struct mrc_sim_physics *p,
                                               enum mrc_sim_tissue tissue, int contrast,
                                               const double f[3]) {
    const double te = p->texture * (double)mrc_sim_tissues[tissue].texture;
    struct mrc_sim_relaxation r = p->tissue[tissue];
    if (contrast == FLAIR && tissue == MRC_SIM_FLUID) r.t1_ms = p->flair_fluid_t1_ms;
    /* Where there is more free water both times are longer, as within real white matter; less of
     * either is its own. */
    r.t1_ms *= exp(te * (f[0] + 0.35 * f[2]));
    r.t2_ms *= exp(te * (0.9 * f[0] + 0.4 * f[1]));
    r.density *= 1.0 + te * (0.2 * f[0] + 0.3 * f[2]);
    return r;
}

/* Before the grey values are stretched. */
static double plain_signal(const struct mrc_sim_physics *p, enum mrc_sim_tissue tissue,
                           int contrast, const double f[3]) {
    const struct mrc_sim_sequence *s = &p->sequence[contrast];
    if (tissue == MRC_SIM_ARTERY && is_gradient_echo(s))
        return p->inflow * (1.0 + 0.1 * f[0]) * mrc_sim_signal(s, &p->tissue[MRC_SIM_WHITE]);
    const struct mrc_sim_relaxation r = relaxation_at(p, tissue, contrast, f);
    double signal = mrc_sim_signal(s, &r);
    if (mrc_sim_tissues[tissue].fat) signal *= p->fat[contrast];
    if (contrast == T1W && mrc_sim_tissues[tissue].fluid) signal *= p->fluid_t1w;
    return signal;
}

/* What a post-processed T1w shows of a signal: the floor taken away, then a power of it. Signed
 * signals lose their sign here, as magnitude images do. */
static double shown(const struct mrc_sim_physics *p, double signal) {
    static const double none[3] = {0.0, 0.0, 0.0};
    if (p->floor == 0.0 && p->curve == 1.0) return signal;
    const double white = fabs(plain_signal(p, MRC_SIM_WHITE, T1W, none));
    const double fluid = fabs(plain_signal(p, MRC_SIM_VENTRICLE, T1W, none));
    const double left = fmax(fabs(signal) - p->floor * fluid, 0.0);
    return p->curve == 1.0 ? left : white * pow(left / white, p->curve);
}

double mrc_sim_tissue_signal(const struct mrc_sim_physics *p, enum mrc_sim_tissue tissue,
                             int contrast, const double f[3]) {
    const double signal = plain_signal(p, tissue, contrast, f);
    return contrast == T1W ? shown(p, signal) : signal;
}

static double brightest(const struct mrc_sim_physics *p, int contrast) {
    static const double none[3] = {0.0, 0.0, 0.0};
    static const enum mrc_sim_tissue among[] = {MRC_SIM_WHITE, MRC_SIM_CORTEX, MRC_SIM_VENTRICLE};
    double best = 0.0;
    for (int n = 0; n < 3; ++n)
        best = fmax(best, fabs(mrc_sim_tissue_signal(p, among[n], contrast, none)));
    return best;
}

void mrc_sim_signals_make(struct mrc_sim_signals *out, const struct mrc_sim_physics *p) {
    static const double none[3] = {0.0, 0.0, 0.0};
    for (int c = 0; c < MRC_SIM_CONTRASTS; ++c) {
        const double scale = 1.0 / brightest(p, c);
        for (int t = 0; t < MRC_SIM_TISSUES; ++t) {
            const enum mrc_sim_tissue tissue = (enum mrc_sim_tissue)t;
            out->value[t][c] = (float)(scale * mrc_sim_tissue_signal(p, tissue, c, none));
            for (int n = 0; n < 3; ++n) {
                double up[3] = {0.0, 0.0, 0.0}, down[3] = {0.0, 0.0, 0.0};
                up[n] = 0.5;
                down[n] = -0.5;
                out->slope[t][n][c] = (float)(scale * (mrc_sim_tissue_signal(p, tissue, c, up) -
                                                       mrc_sim_tissue_signal(p, tissue, c, down)));
            }
        }
        out->white[c] = fabsf(out->value[MRC_SIM_WHITE][c]);
    }
}

/* --- What is usual --- */

enum { DRAWS = 401 };

static float median_of(float *values) {
    qsort(values, DRAWS, sizeof *values, mrc_ascending_float);
    return values[DRAWS / 2];
}

enum mrc_status mrc_sim_typical_find(struct mrc_sim_typical *out,
                                     const struct mrc_sim_config *config, struct mrc_error *err) {
    struct mrc_sim_signals *signals = mrc_alloc(DRAWS, sizeof *signals);
    float values[DRAWS], slopes[DRAWS], texture[DRAWS];
    if (signals == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for signals");
    for (int n = 0; n < DRAWS; ++n) {
        struct mrc_rng rng = mrc_rng_for(0, UINT32_MAX, (uint64_t)n, MRC_FOR_SIMULATE);
        struct mrc_sim_physics physics;
        mrc_sim_physics_draw(&physics, config, &rng);
        mrc_sim_signals_make(&signals[n], &physics);
        texture[n] = fmaxf((float)physics.texture, 1e-6f);
    }
    for (int t = 0; t < MRC_SIM_TISSUES; ++t)
        for (int c = 0; c < MRC_SIM_CONTRASTS; ++c) {
            for (int n = 0; n < DRAWS; ++n) {
                const float value = signals[n].value[t][c], white = signals[n].white[c];
                values[n] = fabsf(value) / white;
                slopes[n] = copysignf(1.0f, value) * signals[n].slope[t][0][c] / white / texture[n];
            }
            out->value[t][c] = median_of(values);
            out->slope[t][c] = median_of(slopes);
        }
    mrc_free(signals);
    return MRC_OK;
}
