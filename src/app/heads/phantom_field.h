/* phantom_field.h: what the generated head is modelled with: smooth random fields and signed
 * distances. Points are in mm; a distance is negative inside. */
#ifndef MRC_APP_HEADS_PHANTOM_FIELD_H
#define MRC_APP_HEADS_PHANTOM_FIELD_H

#include <stdint.h>

/** Perlin's gradient noise (2002) with unit lattice: about -0.8 … 0.8, mean 0, twice
 * differentiable; each seed is another field. `gradient` may be NULL. */
double mrc_field_noise(double gradient[3], uint32_t seed, const double p[3]);
/** The same with a lattice of `cell` mm. */
double mrc_field_noise_mm(uint32_t seed, const double p[3], double cell_mm);

/** Approximate distance to an axis-aligned ellipsoid: exact on the surface, near it good to some
 * per cent. */
double mrc_field_ellipsoid(const double p[3], const double centre[3], const double radius[3]);
/** Distance to a tapered rod: the hull-like union of spheres of radius ra … rb along a … b. */
double mrc_field_rod(const double p[3], const double a[3], double ra, const double b[3], double rb);
/** Union and intersection whose edge is rounded over about `soft` mm (polynomial smooth minimum,
 * Quilez). */
double mrc_field_unite(double a, double b, double soft);
double mrc_field_intersect(double a, double b, double soft);

#endif
