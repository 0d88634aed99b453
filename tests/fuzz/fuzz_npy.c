/* fuzz_npy.c: a table of numbers by others (NumPy). */
#include "app/evaluate/npy.h"
#include "base/alloc.h"
#include "tests/fuzz/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mrc_error err = {0};
    double *values = NULL, sum = 0.0;
    size_t rows = 0, columns = 0;
    enum mrc_status st =
        mrc_npy_load(&values, &rows, &columns, fuzz_file(NULL, "n.npy", data, size), &err);
    if ((st == MRC_OK) != (err.text[0] == '\0')) abort();
    if (st == MRC_OK && (rows == 0 || columns == 0)) abort();
    for (size_t i = 0; st == MRC_OK && i < rows * columns; ++i) sum += values[i];
    if (sum > 1.0 && rows == 0) abort(); /* so that all are read */
    mrc_free(values);
    return 0;
}
