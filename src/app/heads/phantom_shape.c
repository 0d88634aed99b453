/* phantom_shape.c: a head as signed distances, painted from the skin inwards.
 * The cortex. Sulci are thin sheets of CSF that reach from the brain's hull inwards: the places
 * where a random field, drawn on the hull and carried straight in, is zero. Its distance is |field|
 * / |gradient|. Grey matter is what lies within the cortex's thickness of a sheet or of the hull,
 * so the ribbon follows every fold, wall and floor by itself, and what is left inside is white
 * matter. Two such fields give deep and shallow sulci; the fissures between the hemispheres and
 * above the temporal lobes are placed by hand. The marker is a capsule outside the scalp on the
 * patient's left: whoever swaps left and right moves it. */
#include "app/heads/phantom_shape.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "app/heads/phantom_field.h"
#include "base/rng.h"

static const struct {
    const char *name, *abbreviation;
} tissues[MRC_TISSUES] = {
    [MRC_TISSUE_AIR] = {"air", "AIR"},
    [MRC_TISSUE_CSF] = {"cerebrospinal fluid", "CSF"},
    [MRC_TISSUE_CORTEX] = {"cortical grey matter", "CGM"},
    [MRC_TISSUE_WHITE] = {"white matter", "WM"},
    [MRC_TISSUE_DEEP_GREY] = {"deep grey matter", "SGM"},
    [MRC_TISSUE_VENTRICLE] = {"ventricles", "VENT"},
    [MRC_TISSUE_LESION] = {"lesion", "L"},
    [MRC_TISSUE_BONE] = {"cortical bone", "B"},
    [MRC_TISSUE_MARROW] = {"bone marrow", "BM"},
    [MRC_TISSUE_FAT] = {"fat", "FAT"},
    [MRC_TISSUE_MUSCLE] = {"muscle and skin", "ST"},
    [MRC_TISSUE_EYE] = {"eye", "EYE"},
    [MRC_TISSUE_MARKER] = {"marker on the patient's left", "MRK"},
    [MRC_TISSUE_PALLIDUM] = {"pallidum", "PAL"},
};

const char *mrc_tissue_name(enum mrc_tissue tissue) {
    return tissues[tissue].name;
}
const char *mrc_tissue_abbreviation(enum mrc_tissue tissue) {
    return tissues[tissue].abbreviation;
}

/* --- The large forms --- */

static const double cerebrum_centre[3] = {0, -15, 14}, cerebrum_radius[3] = {65, 86, 61};
static const double cerebellum_centre[3] = {0, -61, -36}, cerebellum_radius[3] = {50, 32, 24};
static const double stem_top[3] = {0, -22, -4}, stem_bottom[3] = {0, -34, -90};

/* A point seen from both hemispheres alike: x becomes its distance from the middle. */
static void mirror(double out[3], const double p[3]) {
    out[0] = fabs(p[0]);
    out[1] = p[1];
    out[2] = p[2];
}

/* Convex outside of the cerebrum, where sulci begin: an egg with temporal lobes. */
static double cerebrum_outside(const struct mrc_head *h, const double p[3]) {
    static const double lobe_centre[3] = {42, -14, -18}, lobe_radius[3] = {22, 48, 23};
    double m[3];
    mirror(m, p);
    double egg = mrc_field_ellipsoid(p, cerebrum_centre, cerebrum_radius);
    double lobes = mrc_field_ellipsoid(m, lobe_centre, lobe_radius);
    return mrc_field_unite(egg, lobes, 8.0) + 3.0 * mrc_field_noise_mm(h->lumps, p, 45.0);
}

/* The cerebrum without its sulci: flat below, but for the temporal lobes. */
static double cerebrum_hull(const double p[3], double outside) {
    static const double lobe_centre[3] = {42, -14, -18}, lobe_radius[3] = {22, 48, 23};
    double m[3];
    mirror(m, p);
    double base = -14.0 - 0.05 * (p[1] + 15.0) - p[2];
    double above = mrc_field_intersect(outside, base, 12.0);
    return fmax(outside,
                mrc_field_unite(above, mrc_field_ellipsoid(m, lobe_centre, lobe_radius), 6.0));
}

static double cerebellum_hull(const double p[3]) {
    /* a notch behind, between its two halves */
    double notch = 5.0 * exp(-p[0] * p[0] / 60.0) * (p[1] < -61.0 ? 1.0 : 0.0);
    return mrc_field_ellipsoid(p, cerebellum_centre, cerebellum_radius) + notch;
}

static double stem(const double p[3]) {
    static const double pons_centre[3] = {0, -25, -30}, pons_radius[3] = {17, 14, 14};
    double d = mrc_field_rod(p, stem_top, 15.0, stem_bottom, 7.0);
    return mrc_field_unite(d, mrc_field_ellipsoid(p, pons_centre, pons_radius), 6.0);
}

/* Inside of the skull: an even room around all of the brain. */
static double cavity(const struct mrc_head *h, const double p[3], double cerebrum) {
    static const double fossa_centre[3] = {0, -54, -30}, fossa_radius[3] = {53, 40, 30};
    static const double sella_centre[3] = {0, -12, -16}, sella_radius[3] = {30, 26, 14};
    double d = mrc_field_unite(cerebrum, mrc_field_ellipsoid(p, sella_centre, sella_radius), 6.0);
    d = mrc_field_unite(d, mrc_field_ellipsoid(p, fossa_centre, fossa_radius), 10.0);
    d = mrc_field_unite(d, mrc_field_rod(p, stem_top, 15.0, stem_bottom, 9.0), 8.0);
    return d - h->csf_mm;
}

static const double face_centre[3] = {0, 28, -52}, face_radius[3] = {62, 66, 62};
static const double nose_tip[3] = {0, 100, -52}, nose_root[3] = {0, 84, -22};
static const double neck_top[3] = {0, -40, -40}, neck_bottom[3] = {0, -40, -180};

/* Most of the box is air: true where the head cannot be, however lumpy. */
static bool surely_air(const double p[3]) {
    return mrc_field_ellipsoid(p, cerebrum_centre, cerebrum_radius) > 45.0 &&
           mrc_field_ellipsoid(p, face_centre, face_radius) > 12.0 &&
           mrc_field_rod(p, neck_top, 58.0, neck_bottom, 56.0) > 12.0 &&
           mrc_field_rod(p, nose_root, 5.0, nose_tip, 8.0) > 12.0;
}

/* Skin: the skull's cover, the face and the neck. */
static double skin(const struct mrc_head *h, const double p[3], double cavity_mm) {
    double d = cavity_mm - h->skull_mm - h->scalp_mm;
    d = mrc_field_unite(d, mrc_field_ellipsoid(p, face_centre, face_radius), 25.0);
    d = mrc_field_unite(d, mrc_field_rod(p, neck_top, 58.0, neck_bottom, 56.0), 25.0);
    return mrc_field_unite(d, mrc_field_rod(p, nose_root, 5.0, nose_tip, 8.0), 16.0);
}

/* --- Painting --- */

struct point {
    double p[3];     /* head frame */
    double width_mm; /* of a boundary */
    double *fraction;
};

/* Inside of the boundary, everything becomes `tissue`. */
static void paint(struct point *at, enum mrc_tissue tissue, double distance) {
    double cover = 0.5 - distance / at->width_mm;
    if (cover <= 0.0) return;
    if (cover > 1.0) cover = 1.0;
    for (int t = 0; t < MRC_TISSUES; ++t) at->fraction[t] *= 1.0 - cover;
    at->fraction[tissue] += cover;
}

static void paint_ellipsoid(struct point *at, enum mrc_tissue tissue, const double p[3], double x,
                            double y, double z, double rx, double ry, double rz) {
    const double centre[3] = {x, y, z}, radius[3] = {rx, ry, rz};
    paint(at, tissue, mrc_field_ellipsoid(p, centre, radius));
}

/* --- Outside of the brain --- */

static void paint_covers(struct point *at, const struct mrc_head *h, double skin_mm,
                         double cavity_mm) {
    const double *p = at->p;
    double m[3];
    mirror(m, p);
    paint(at, MRC_TISSUE_MUSCLE, skin_mm);
    paint(at, MRC_TISSUE_FAT, skin_mm + 1.6);
    /* face and neck are muscle below their fat, with streaks of fat between */
    double streaks = 2.5 * mrc_field_noise_mm(h->lumps + 1, p, 14.0);
    double deep = fmax(skin_mm + 7.0 + streaks, p[2] + 12.0 + 0.25 * p[1]);
    paint(at, MRC_TISSUE_MUSCLE, deep);
    /* the temporal muscle, beside the skull */
    static const double temple_centre[3] = {66, 22, -12}, temple_radius[3] = {16, 26, 34};
    double temple = mrc_field_ellipsoid(m, temple_centre, temple_radius);
    paint(at, MRC_TISSUE_MUSCLE, fmax(temple, skin_mm + 3.0));

    double bone = cavity_mm - h->skull_mm;
    paint(at, MRC_TISSUE_BONE, fmax(bone, skin_mm + 2.5));
    double lumps = 0.8 * mrc_field_noise_mm(h->lumps + 2, p, 9.0);
    double marrow = fabs(cavity_mm - 0.52 * h->skull_mm) - 0.2 * h->skull_mm - lumps;
    paint(at, MRC_TISSUE_MARROW, marrow);
}

/* Eyes in their fat, nose and sinuses. */
static void paint_face(struct point *at) {
    double m[3];
    mirror(m, at->p);
    if (at->p[1] < 20.0 || at->p[2] > 35.0) return;
    static const double orbit_back[3] = {18, 36, -18}, orbit_front[3] = {32, 68, -24};
    double orbit = mrc_field_rod(m, orbit_back, 5.0, orbit_front, 16.0);
    paint(at, MRC_TISSUE_BONE, orbit - 2.0);
    paint(at, MRC_TISSUE_FAT, orbit);
    static const double nerve_end[3] = {32, 66, -24};
    paint(at, MRC_TISSUE_MUSCLE, mrc_field_rod(m, orbit_back, 2.2, nerve_end, 2.2));
    paint_ellipsoid(at, MRC_TISSUE_MUSCLE, m, 32, 70, -24, 13, 13, 13);
    paint_ellipsoid(at, MRC_TISSUE_EYE, m, 32, 70, -24, 11.8, 11.8, 11.8);
    paint_ellipsoid(at, MRC_TISSUE_MUSCLE, m, 32, 79, -24, 4.5, 2.2, 4.5); /* lens */
    paint_ellipsoid(at, MRC_TISSUE_AIR, m, 9, 66, -46, 6, 24, 20);         /* nose */
    paint_ellipsoid(at, MRC_TISSUE_AIR, m, 34, 56, -58, 14, 17, 16);       /* maxillary sinus */
    paint_ellipsoid(at, MRC_TISSUE_AIR, m, 10, 78, 2, 8, 5, 9);            /* frontal sinus */
}

/* --- Cortex --- */

/* Signed distance to a sheet of width w that reaches `depth` deep: p is `beside` it and `below` its
 * floor (negative: above). */
static double sheet(double beside, double w, double below) {
    double a = beside - 0.5 * w;
    if (a < 0.0 && below < 0.0) return fmax(a, below);
    return hypot(fmax(a, 0.0), fmax(below, 0.0));
}

/* One generation of sulci: the zeros of a field on the hull. q: the point, carried out to the hull;
 * shrink: how much nearer together the sheets are where p is than there. */
static double sulci(uint32_t seed, const double q[3], double cell_mm, double shrink, double w,
                    double below) {
    double g[3];
    const double u[3] = {q[0] / cell_mm, q[1] / cell_mm, q[2] / cell_mm};
    double value = mrc_field_noise(g, seed, u);
    double steep = sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2]) + 0.15;
    return sheet(fabs(value) / steep * cell_mm * shrink, w, below);
}

static double fissures(const struct mrc_head *h, const double p[3]) {
    double m[3];
    mirror(m, p);
    /* between the hemispheres, down to the corpus callosum */
    double middle = fabs(p[0] + 2.0 * mrc_field_noise_mm(h->bends + 7, p, 30.0));
    const double flat[3] = {0, p[1], p[2]}, centre[3] = {0, -10, 10}, radius[3] = {30, 44, 26};
    double d = sheet(middle, h->sulcus_mm + 0.8, -mrc_field_ellipsoid(flat, centre, radius));
    /* above the temporal lobe, in to the insula, where it opens up and down */
    if (m[0] < 24.0) return d;
    double level = p[2] - (-4.0 - 0.3 * p[1]) - 1.5 * mrc_field_noise_mm(h->bends + 8, p, 20.0);
    double ends = fmax(fabs(p[1] + 8.0) - 40.0, 0.0);
    d = fmin(d, hypot(ends, sheet(fabs(level), h->sulcus_mm + 1.0, 36.0 - m[0])));
    double insula = hypot(fmax(fabs(level) - 12.0, 0.0), fmax(fabs(p[1] - 2.0) - 24.0, 0.0));
    return fmin(d, hypot(insula, sheet(fabs(m[0] - 37.0 - 0.04 * p[1]), h->sulcus_mm, -1.0)));
}

/* Depth below the pia, counted along the sulci: negative in CSF. */
static double pial_depth(const struct mrc_head *h, const double p[3], double hull, double outside) {
    double depth = -outside, d = fmin(-hull, fissures(h, p));
    if (depth < -2.0 || depth > 33.0) return d;
    double v[3], q[3], norm = 0.0;
    for (int a = 0; a < 3; ++a) {
        v[a] = (p[a] - cerebrum_centre[a]) / cerebrum_radius[a];
        norm += v[a] * v[a];
    }
    norm = sqrt(norm) + 1e-6;
    for (int a = 0; a < 3; ++a) {
        double bend = 9.0 * mrc_field_noise_mm(h->bends + (uint32_t)a, p, 22.0);
        q[a] = v[a] / norm * cerebrum_radius[a] + bend;
    }
    double shrink = fmin(norm, 1.0);
    double w = h->sulcus_mm * (0.6 + 1.0 * exp(-fmax(depth, 0.0) / 3.0));
    double deep = 22.0 + 11.0 * mrc_field_noise_mm(h->depths, q, 34.0);
    double shallow = 13.0 + 9.0 * mrc_field_noise_mm(h->depths + 1, q, 20.0);
    d = fmin(d, sulci(h->folds, q, 21.0, shrink, w, depth - deep));
    return fmin(d, sulci(h->folds + 1, q, 12.0, shrink, w, depth - shallow));
}

static void paint_cerebrum(struct point *at, const struct mrc_head *h, double hull,
                           double outside) {
    if (hull > 4.0) return;
    double depth = pial_depth(h, at->p, hull, outside);
    paint(at, MRC_TISSUE_CORTEX, -depth);
    double thick = h->cortex_mm * (1.0 + 0.25 * mrc_field_noise_mm(h->depths + 2, at->p, 18.0));
    paint(at, MRC_TISSUE_WHITE, thick - depth);
}

/* Leaves of the cerebellum: sheets that fan out from its middle, so finely that voxels mix them. */
static void paint_cerebellum(struct point *at, const struct mrc_head *h, double hull) {
    if (hull > 3.0) return;
    const double *p = at->p;
    double y = p[1] + 42.0, z = p[2] + 34.0;
    double turn =
        atan2(z, -y) * 26.0 + 3.0 * mrc_field_noise_mm(h->folia, p, 18.0) + 0.04 * fabs(p[0]);
    double beside = fabs(turn / 5.0 - round(turn / 5.0)) * 5.0 * fmin(hypot(y, z) / 26.0, 1.3);
    double depth = fmin(
        -hull, sheet(beside, 0.9, -hull - 13.0 - 5.0 * mrc_field_noise_mm(h->folia + 1, p, 12.0)));
    paint(at, MRC_TISSUE_CORTEX, -depth);
    paint(at, MRC_TISSUE_WHITE, 1.7 - depth);
}

/* --- Deep structures --- */

static double lateral_ventricle(const double m[3], double size) {
    /* frontal horn, body, atrium, occipital horn; from the atrium, the temporal horn */
    static const double path[][4] = {{8, 30, 6, 3.2},    {9, 18, 11, 5.0},   {11, -6, 20, 4.6},
                                     {14, -24, 20, 5.0}, {23, -40, 11, 6.2}, {21, -62, 5, 2.5}};
    static const double horn[][4] = {{23, -40, 11, 6.0}, {34, -24, -10, 3.0}, {33, -4, -19, 2.2}};
    double d = 1e9;
    for (int s = 0; s < 5; ++s)
        d = mrc_field_unite(
            d, mrc_field_rod(m, path[s], path[s][3] * size, path[s + 1], path[s + 1][3] * size),
            3.0);
    for (int s = 0; s < 2; ++s)
        d = mrc_field_unite(
            d, mrc_field_rod(m, horn[s], horn[s][3] * size, horn[s + 1], horn[s + 1][3] * size),
            3.0);
    return fmax(d, 1.2 - m[0]); /* the septum stays */
}

static void paint_deep(struct point *at, const struct mrc_head *h) {
    double m[3];
    mirror(m, at->p);
    if (m[0] > 45.0 || fabs(m[1] + 15.0) > 65.0 || m[2] < -45.0 || m[2] > 45.0) return;
    static const double body[3] = {15, 8, 20}, tail[3] = {21, -26, 19};
    static const double hippocampus[3] = {28, -12, -19}, fimbria[3] = {27, -36, -8};
    double lumps = 1.2 * mrc_field_noise_mm(h->lumps + 3, at->p, 12.0);
    paint_ellipsoid(at, MRC_TISSUE_DEEP_GREY, m, 11, -18, 6, 8.5 + lumps, 14, 8.5);
    paint_ellipsoid(at, MRC_TISSUE_DEEP_GREY, m, 15.5, 15, 8, 5.5 + lumps, 11, 9);
    paint(at, MRC_TISSUE_DEEP_GREY, mrc_field_rod(m, body, 3.8, tail, 2.2));
    const double turned[3] = {m[0] + 0.22 * (m[1] - 2.0), m[1],
                              m[2]}; /* putamen: nearer in front */
    paint_ellipsoid(at, MRC_TISSUE_DEEP_GREY, turned, 27, 2, 2, 4.6, 17, 10 + lumps);
    paint_ellipsoid(at, MRC_TISSUE_PALLIDUM, turned, 20, -1, 0, 3.6, 10, 7);
    paint(at, MRC_TISSUE_DEEP_GREY, mrc_field_rod(m, hippocampus, 5.0, fimbria, 3.0));
    double size = h->ventricle[at->p[0] > 0.0];
    paint(at, MRC_TISSUE_VENTRICLE, lateral_ventricle(m, size));
    double third = 1.6 * 0.5 * (h->ventricle[0] + h->ventricle[1]);
    paint_ellipsoid(at, MRC_TISSUE_VENTRICLE, m, 0, -14, 1, third, 13, 9);
}

static void paint_lesions(struct point *at, const struct mrc_head *h) {
    for (int n = 0; n < h->lesions; ++n) {
        const double *l = h->lesion_mm[n];
        double d = hypot(hypot(at->p[0] - l[0], at->p[1] - l[1]), at->p[2] - l[2]) - l[3];
        if (d > 8.0) continue;
        d += 1.8 * mrc_field_noise_mm(h->lumps + 4, at->p, 5.0);
        double cover =
            fmin(fmax(0.5 - d / at->width_mm, 0.0), 1.0) * at->fraction[MRC_TISSUE_WHITE];
        at->fraction[MRC_TISSUE_WHITE] -= cover;
        at->fraction[MRC_TISSUE_LESION] += cover;
    }
}

/* --- A head as a whole --- */

static void at_head_point(double fraction[MRC_TISSUES], const struct mrc_head *h, const double p[3],
                          double width_mm) {
    struct point at = {.p = {p[0], p[1], p[2]}, .width_mm = width_mm, .fraction = fraction};
    memset(fraction, 0, MRC_TISSUES * sizeof *fraction);
    fraction[MRC_TISSUE_AIR] = 1.0;
    paint(&at, MRC_TISSUE_MARKER,
          mrc_field_rod(p, h->marker_mm[0], MRC_MARKER_RADIUS_MM, h->marker_mm[1],
                        MRC_MARKER_RADIUS_MM));
    if (surely_air(p)) return;
    double convex = cerebrum_outside(h, p), hull = cerebrum_hull(p, convex);
    double room = cavity(h, p, hull);
    double outside = skin(h, p, room);
    if (outside > width_mm) return;
    if (room > -width_mm) {
        paint_covers(&at, h, outside, room);
        paint_face(&at);
    }
    if (room > width_mm) return;
    paint(&at, MRC_TISSUE_CSF, room);
    double little = cerebellum_hull(p), trunk = stem(p);
    paint(&at, MRC_TISSUE_WHITE, trunk);
    paint_cerebellum(&at, h, fmax(little, 2.5 - hull)); /* the tentorium's gap */
    paint_cerebrum(&at, h, hull, convex);
    if (hull < 0.0) paint_deep(&at, h);
    paint_ellipsoid(&at, MRC_TISSUE_VENTRICLE, p, 0, -42, -33, 7, 4.5, 9); /* fourth */
    paint_lesions(&at, h);
}

void mrc_head_at(double fraction[MRC_TISSUES], const struct mrc_head *head, const double ras_mm[3],
                 double width_mm) {
    double p[3];
    for (int a = 0; a < 3; ++a) {
        p[a] = 0.0;
        for (int b = 0; b < 3; ++b) p[a] += head->to_head[a][b] * (ras_mm[b] - head->shift_mm[b]);
    }
    at_head_point(fraction, head, p, width_mm);
}

/* --- Chance --- */

static double between(struct mrc_rng *rng, double lo, double hi) {
    return lo + (hi - lo) * mrc_rng_uniform(rng);
}

static void init_pose(struct mrc_head *h, struct mrc_rng *rng) {
    double turn[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    for (int about = 0; about < 3; ++about) {
        const double angle = between(rng, -4.0, 4.0) * 0.017453292519943295;
        const int p = (about + 1) % 3, q = (about + 2) % 3;
        for (int c = 0; c < 3; ++c) {
            double a = turn[p][c], b = turn[q][c];
            turn[p][c] = cos(angle) * a - sin(angle) * b;
            turn[q][c] = sin(angle) * a + cos(angle) * b;
        }
    }
    const double whole = between(rng, 0.95, 1.02);
    for (int a = 0; a < 3; ++a) {
        double size = whole * between(rng, 0.97, 1.02);
        for (int b = 0; b < 3; ++b) h->to_head[a][b] = turn[a][b] / size;
        h->shift_mm[a] = between(rng, -2.0, 2.0);
    }
    h->shift_mm[1] += 7.0; /* the box is around the head, the frame's origin inside the brain */
    h->shift_mm[2] -= 12.0;
}

/* The capsule stands along Superior, just off the scalp. */
static void init_marker(struct mrc_head *h) {
    const double y = -5.0, z = 14.0;
    double in = 0.0, out = 140.0;
    for (int step = 0; step < 40; ++step) {
        double p[3] = {MRC_MARKER_SIDE * 0.5 * (in + out), y, z};
        double hull = cerebrum_hull(p, cerebrum_outside(h, p));
        if (skin(h, p, cavity(h, p, hull)) < 0.0)
            in = 0.5 * (in + out);
        else
            out = 0.5 * (in + out);
    }
    for (int end = 0; end < 2; ++end) {
        h->marker_mm[end][0] = MRC_MARKER_SIDE * (in + 2.5 + MRC_MARKER_RADIUS_MM);
        h->marker_mm[end][1] = y;
        h->marker_mm[end][2] = z + (end ? 8.0 : -8.0);
    }
}

/* In white matter, at places found by trying. */
static void init_lesions(struct mrc_head *h, struct mrc_rng *rng, int wanted) {
    h->lesions = 0;
    for (int tries = 0; tries < 20000 && h->lesions < wanted; ++tries) {
        double p[3] = {between(rng, -45, 45), between(rng, -70, 40), between(rng, 5, 50)};
        double radius = between(rng, 2.5, 6.5), fraction[MRC_TISSUES];
        at_head_point(fraction, h, p, 2.0 * radius);
        if (fraction[MRC_TISSUE_WHITE] < 0.95) continue;
        double *l = h->lesion_mm[h->lesions++];
        memcpy(l, p, sizeof p);
        l[3] = radius;
    }
}

void mrc_head_init(struct mrc_head *h, uint64_t seed, int subject, int lesions) {
    struct mrc_rng rng = mrc_rng_for(seed, (uint32_t)subject, 0, MRC_FOR_PHANTOM);
    memset(h, 0, sizeof *h);
    init_pose(h, &rng);
    uint32_t *const seeds[] = {&h->folds, &h->depths, &h->bends, &h->lumps, &h->folia};
    for (size_t n = 0; n < sizeof seeds / sizeof *seeds; ++n)
        *seeds[n] = (uint32_t)mrc_rng_u64(&rng);
    h->cortex_mm = between(&rng, 2.6, 3.3);
    h->sulcus_mm = between(&rng, 0.6, 1.4);
    h->csf_mm = between(&rng, 0.6, 2.2);
    h->skull_mm = between(&rng, 5.5, 7.5);
    h->scalp_mm = between(&rng, 4.5, 7.0);
    double age = between(&rng, 0.0, 1.0),
           ventricles = 0.75 + 1.75 * age * age; /* most are narrow */
    for (int side = 0; side < 2; ++side) h->ventricle[side] = ventricles * between(&rng, 0.9, 1.1);
    init_marker(h);
    int by_seed = (int)mrc_rng_below(&rng, 5);
    int wanted = lesions < 0 ? by_seed : lesions;
    init_lesions(h, &rng, wanted < MRC_MAX_LESIONS ? wanted : MRC_MAX_LESIONS);
}
