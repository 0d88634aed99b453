/* fuzz.h: what every fuzz target defines (libFuzzer's interface). */
#ifndef MRC_TESTS_FUZZ_H
#define MRC_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/** Any status of the parser will do; a crash, a leak or a broken promise will not. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
