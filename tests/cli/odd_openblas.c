/* odd_openblas.c: to be preloaded. Makes OpenBLAS do what it does elsewhere:
 *   ODD_DEFAULT=Prescott      the kernel it takes where OPENBLAS_CORETYPE is not set
 *   ODD_ONLY=Prescott         the only kernel it has, whatever OPENBLAS_CORETYPE says
 *   ODD_WRONG=SkylakeX        this kernel computes a wrong sum ("all": each of them) */
#define _GNU_SOURCE /* dladdr, RTLD_NEXT */
#include <cblas.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static char *value_of(const char *name) {
    size_t length = strlen(name);
    for (char **e = environ; e != NULL && *e != NULL; ++e)
        if (strncmp(*e, name, length) == 0 && (*e)[length] == '=') return *e + length + 1;
    return NULL;
}

char *getenv(const char *name) {
    Dl_info caller;
    char *value = value_of(name), *odd = value_of("ODD_ONLY");
    if (odd == NULL && value == NULL) odd = value_of("ODD_DEFAULT");
    if (odd == NULL || strcmp(name, "OPENBLAS_CORETYPE") != 0) return value;
    if (dladdr(__builtin_return_address(0), &caller) == 0) return value;
    return strstr(caller.dli_fname, "libopenblas") != NULL ? odd : value;
}

typedef void sgemm_fn(CBLAS_ORDER, CBLAS_TRANSPOSE, CBLAS_TRANSPOSE, blasint, blasint, blasint,
                      float, const float *, blasint, const float *, blasint, float, float *,
                      blasint);

void cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE transpose_a, CBLAS_TRANSPOSE transpose_b,
                 blasint m, blasint n, blasint k, float alpha, const float *a, blasint lda,
                 const float *b, blasint ldb, float beta, float *c, blasint ldc) {
    sgemm_fn *real = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "cblas_sgemm");
    real(order, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    const char *wrong = value_of("ODD_WRONG");
    if (wrong != NULL && (strcmp(wrong, "all") == 0 || strcmp(wrong, openblas_get_corename()) == 0))
        c[(m - 1) * ldc + n - 1] += 0.125f;
}
