/* test_simulate_physics.c: signals against the equations written down again, an inversion-prepared
 * train played pulse by pulse, the order of tissues, and a measured slice. */
#include "tests/support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/heads/physics.h"
#include "base/fs.h"
#include "base/text.h"

static struct mrc_sim_physics draw(uint64_t number) {
    struct mrc_sim_config config;
    struct mrc_sim_physics p;
    struct mrc_rng rng = mrc_rng_for(5, 0, number, MRC_FOR_TEST);
    mrc_sim_config_init(&config);
    mrc_sim_physics_draw(&p, &config, &rng);
    return p;
}

static void assert_near(double got, double wanted, double tolerance) {
    if (!(fabs(got - wanted) <= tolerance)) fail_msg("%.12g, expected %.12g", got, wanted);
}

static double relaxed(double m, double ms, double t1_ms) {
    return 1.0 - (1.0 - m) * exp(-ms / t1_ms);
}

/* Longitudinal magnetisation at the middle pulse of a train, after many repetitions. */
static double play_train(const struct mrc_sim_sequence *s, double t1_ms) {
    const double flip = s->flip_deg * 3.14159265358979323846 / 180.0;
    const double delay = fmax(10.0, s->ti_ms - 0.5 * s->echoes * s->spacing_ms);
    const double rest = fmax(10.0, s->tr_ms - delay - s->echoes * s->spacing_ms);
    double m = 1.0, seen = 0.0;
    for (int repetition = 0; repetition < 60; ++repetition) {
        m = relaxed(-m, delay, t1_ms);
        for (int pulse = 0; pulse < s->echoes; ++pulse) {
            if (pulse == s->echoes / 2) seen = m * sin(flip);
            m = relaxed(m * cos(flip), s->spacing_ms, t1_ms);
        }
        m = relaxed(m, rest, t1_ms);
    }
    return seen;
}

/* The same for a spoiled gradient echo. */
static double play_spoiled(const struct mrc_sim_sequence *s, double t1_ms) {
    const double flip = s->flip_deg * 3.14159265358979323846 / 180.0;
    double m = 1.0;
    for (int pulse = 0; pulse < 20000; ++pulse) m = relaxed(m * cos(flip), s->tr_ms, t1_ms);
    return m * sin(flip);
}

static double expected(const struct mrc_sim_sequence *s, const struct mrc_sim_relaxation *r) {
    const double echo = r->density * exp(-s->te_ms / r->t2_ms);
    const double gradient = r->density * exp(-s->te_ms / (0.7 * r->t2_ms));
    switch (s->kind) {
    case MRC_SIM_MPRAGE_: return gradient * play_train(s, r->t1_ms);
    case MRC_SIM_SPGR: return gradient * play_spoiled(s, r->t1_ms);
    case MRC_SIM_IRFSE: /* the train leaves nothing; recovery, inversion, recovery */
        return echo * relaxed(-relaxed(0.0, s->tr_ms - s->ti_ms, r->t1_ms), s->ti_ms, r->t1_ms);
    default: return echo * relaxed(0.0, s->tr_ms, r->t1_ms);
    }
}

static void test_signals_follow_the_equations(void **state) {
    bool seen[5] = {false};
    (void)state;
    for (uint64_t n = 0; n < 30; ++n) {
        struct mrc_sim_physics p = draw(n);
        for (int c = 0; c < MRC_SIM_CONTRASTS; ++c) {
            struct mrc_sim_sequence *s = &p.sequence[c];
            s->echoes -= s->echoes % 2; /* the middle of an odd train lies between two pulses */
            seen[s->kind] = true;
            for (int t = 1; t < MRC_SIM_TISSUES; ++t)
                assert_near(mrc_sim_signal(s, &p.tissue[t]), expected(s, &p.tissue[t]), 1e-9);
        }
    }
    for (int kind = 0; kind < 5; ++kind) assert_true(seen[kind]);
}

static double shown(const struct mrc_sim_physics *p, enum mrc_sim_tissue tissue, int contrast) {
    static const double none[3] = {0, 0, 0};
    return fabs(mrc_sim_tissue_signal(p, tissue, contrast, none));
}

static void test_tissues_keep_their_order(void **state) {
    (void)state;
    for (uint64_t n = 0; n < 200; ++n) {
        const struct mrc_sim_physics p = draw(n);
        const double grey = shown(&p, MRC_SIM_CORTEX, 0), white2 = shown(&p, MRC_SIM_WHITE, 1);
        assert_true(shown(&p, MRC_SIM_WHITE, 0) > grey);
        assert_true(grey > shown(&p, MRC_SIM_VENTRICLE, 0));
        assert_true(grey > shown(&p, MRC_SIM_FLUID, 0));
        assert_true(shown(&p, MRC_SIM_VENTRICLE, 1) > shown(&p, MRC_SIM_CORTEX, 1));
        assert_true(shown(&p, MRC_SIM_FLUID, 1) > shown(&p, MRC_SIM_CORTEX, 1));
        assert_true(shown(&p, MRC_SIM_CORTEX, 1) > white2);
        assert_true(white2 > shown(&p, MRC_SIM_PALLIDUM, 1));
        assert_true(shown(&p, MRC_SIM_VENTRICLE, 3) < 0.6 * shown(&p, MRC_SIM_WHITE, 3));
    }
}

/* Fluid in T1w: from nearly grey matter's brightness down to black. */
static void test_fluid_covers_the_dark_half(void **state) {
    int black = 0, nearly_grey = 0;
    (void)state;
    for (uint64_t n = 0; n < 200; ++n) {
        const struct mrc_sim_physics p = draw(n);
        const double part = shown(&p, MRC_SIM_VENTRICLE, 0) / shown(&p, MRC_SIM_CORTEX, 0);
        black += part < 0.02;
        nearly_grey += part > 0.7;
    }
    assert_true(black >= 10);
    assert_true(nearly_grey >= 10);
}

/* What is added up by slopes is what the equations give at that place. */
static void test_texture_is_the_slope(void **state) {
    (void)state;
    for (uint64_t n = 0; n < 20; ++n) {
        const struct mrc_sim_physics p = draw(n);
        struct mrc_sim_signals s;
        const double f[3] = {0.6, -0.4, 0.5}, none[3] = {0, 0, 0};
        mrc_sim_signals_make(&s, &p);
        for (int c = 1; c < MRC_SIM_CONTRASTS; ++c) {
            const double scale = (double)s.value[MRC_SIM_WHITE][c] /
                                 mrc_sim_tissue_signal(&p, MRC_SIM_WHITE, c, none);
            for (int t = MRC_SIM_WHITE; t <= MRC_SIM_FLUID; ++t) {
                double sum = (double)s.value[t][c];
                for (int k = 0; k < 3; ++k) sum += f[k] * (double)s.slope[t][k][c];
                assert_near(sum, scale * mrc_sim_tissue_signal(&p, (enum mrc_sim_tissue)t, c, f),
                            0.01);
            }
        }
    }
}

/* --- The measured slice --- */

enum { SIDE = 128, PIXELS = SIDE * SIDE };

static int digit(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* Base64 of little-endian floats after a parameter's heading. */
static bool read_map(float out[PIXELS], const char *text, const char *name) {
    unsigned char bytes[PIXELS * 4 + 3];
    size_t count = 0;
    unsigned bits = 0, held = 0;
    const char *p = strstr(text, name);
    p = p != NULL ? strstr(p, "Encoding:") : NULL;
    p = p != NULL ? strchr(p, '\n') : NULL;
    for (; p != NULL && *p != '\0' && *p != '#' && *p != '=' && count < PIXELS * 4; ++p) {
        if (digit(*p) < 0) continue;
        held = held << 6 | (unsigned)digit(*p);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes[count++] = (unsigned char)(held >> bits & 0xff);
    }
    memcpy(out, bytes, PIXELS * sizeof *out);
    return count == (size_t)PIXELS * 4;
}

static void test_measured_slice(void **state) {
    static float t1[PIXELS], t2[PIXELS], density[PIXELS];
    const char *path = MRC_SHARED_DIR "/data/maps/odin_slice/brain_128x128.smp";
    unsigned char *text = NULL;
    size_t size = 0, seen = 0;
    struct mrc_error err = {0};
    (void)state;
    if (!mrc_path_exists(path)) {
        print_message("skipped: no ../shared/data/maps\n");
        return;
    }
    assert_ok(mrc_read_file(&text, &size, path, 1 << 24, &err), &err);
    assert_true(read_map(t1, (char *)text, "T1map"));
    assert_true(read_map(t2, (char *)text, "T2map"));
    assert_true(read_map(density, (char *)text, "spinDensity"));
    mrc_free(text);
    for (uint64_t n = 0; n < 4; ++n) {
        struct mrc_sim_physics p = draw(n);
        for (int c = 0; c < MRC_SIM_CONTRASTS; ++c)
            p.sequence[c].echoes -= p.sequence[c].echoes % 2;
        for (size_t v = 0; v < PIXELS; v += 7) {
            const struct mrc_sim_relaxation r = {(double)t1[v], (double)t2[v], (double)density[v]};
            if (r.t1_ms < 50.0 || r.t2_ms < 5.0) continue;
            ++seen;
            for (int c = 0; c < MRC_SIM_CONTRASTS; ++c)
                assert_near(mrc_sim_signal(&p.sequence[c], &r), expected(&p.sequence[c], &r),
                            1e-7 * fmax(1.0, r.density));
        }
    }
    assert_true(seen > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals_follow_the_equations),
        cmocka_unit_test(test_tissues_keep_their_order),
        cmocka_unit_test(test_fluid_covers_the_dark_half),
        cmocka_unit_test(test_texture_is_the_slope),
        cmocka_unit_test(test_measured_slice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
