/* libraries.h: who else reads strangers' bytes here, and in which version: to be held against lists
 * of known holes. */
#ifndef MRC_IO_LIBRARIES_H
#define MRC_IO_LIBRARIES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mrc_library {
    const char *name, *version; /* version: of the library that runs; of DCMTK that compiled with */
};
enum { MRC_LIBRARIES = 6 };
/** All of them, in the order of their names. */
void mrc_libraries(struct mrc_library out[MRC_LIBRARIES]);

#ifdef __cplusplus
}
#endif
#endif
