/* square.c: the square field of view around an axial slice. Padding and cutting keep the head's
 * proportions, which stretching would not; the image stays in the centre, so left and right margins
 * are equal. */
#include <math.h>

#include "preprocess/steps.h"

struct mrc_square_record mrc_square_find(const struct mrc_axial_record *axial, int64_t size,
                                         double field_mm) {
    const double width_mm = (double)axial->extent.i * axial->spacing_mm[0];
    const double height_mm = (double)axial->extent.j * axial->spacing_mm[1];
    const double side_mm = field_mm > 0.0 ? field_mm : fmax(width_mm, height_mm);
    return (struct mrc_square_record){
        .size = size,
        .side_mm = side_mm,
        .pixel_mm = side_mm / (double)size,
        .offset_mm = {(side_mm - width_mm) / 2.0, (side_mm - height_mm) / 2.0},
    };
}
