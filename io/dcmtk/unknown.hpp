/* unknown.hpp: elements whose value representation is UN, as a system leaves them that did not know
 * them. Their values are implicit VR little endian, whatever the file is (PS3.5 6.2.2). */
#ifndef MRC_IO_DCMTK_UNKNOWN_HPP
#define MRC_IO_DCMTK_UNKNOWN_HPP

#include "io/dcmtk/handle.hpp"

/* Gives each such element of the data set and of its sequences' items the value representation that
 * the dictionary has for it, private ones by their creator. One whose value does not fit that
 * representation is removed; one that the dictionary does not know stays as it is. */
void mrc_dcmtk_settle_unknown(DcmItem &set);

#endif
