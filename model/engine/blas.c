/* blas.c: OpenBLAS, held to one thread. Why: the cuts of the work are ours (by size, never by
 * thread count), so that the same bytes come out on any machine load; two pools of threads would
 * also fight for the cores.
 *
 * OpenBLAS takes a buffer for each call at a time, keeps it for later ones, and where there is no
 * room for one asks again and again without end. So buffers are taken here before the first call,
 * after a look whether there is room, and no more calls go in at a time than there are buffers. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "model/engine/blas.h"

#include <cblas.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/parallel.h"
#include "base/status.h"
#include "model/engine/blas_select.h"

/* OpenBLAS's own: from the pool that its products take from. Some builds hide it. */
extern void *blas_memory_alloc(int position) __attribute__((weak));
extern void blas_memory_free(void *buffer) __attribute__((weak));

static const size_t buffer_bytes = (size_t)128
                                   << 20; /* what 0.3.21 takes on x86-64; more than most */

static pthread_once_t begun = PTHREAD_ONCE_INIT;
static int buffers; /* that are there */
static sem_t free_buffers;

static bool has_room(size_t bytes) {
    void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) return false;
    (void)munmap(room, bytes);
    return true;
}

/* How many buffers may be had, so that half of a limited address space is left to the networks. */
static int most_buffers(void) {
    struct rlimit space;
    int threads = mrc_parallel_threads();
    if (getrlimit(RLIMIT_AS, &space) != 0 || space.rlim_cur == RLIM_INFINITY) return threads;
    rlim_t most = space.rlim_cur / 2 / buffer_bytes;
    return most < (rlim_t)threads ? (most > 0 ? (int)most : 1) : threads;
}

static void take_buffers(void) {
    void *taken[MRC_MAX_THREADS];
    bool own = blas_memory_alloc != NULL && blas_memory_free != NULL;
    int most = most_buffers();
    if (!own) buffers = has_room(buffer_bytes * (size_t)most) ? most : has_room(buffer_bytes);
    while (own && buffers < most && has_room(buffer_bytes)) taken[buffers++] = blas_memory_alloc(0);
    for (int i = 0; own && i < buffers; ++i) blas_memory_free(taken[i]);
}

static void begin(void) {
    openblas_set_num_threads(1);
    take_buffers();
    (void)sem_init(&free_buffers, 0, buffers > 0 ? (unsigned)buffers : 1);
}

enum mrc_status mrc_blas_reserve(struct mrc_error *err) {
    pthread_once(&begun, begin);
    if (buffers > 0) return MRC_OK;
    return mrc_fail(err, MRC_ERR_NOMEM,
                    "out of memory: OpenBLAS needs %zu MiB of address space at once",
                    buffer_bytes >> 20);
}

void mrc_sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a,
               int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    MRC_ASSERT(m > 0 && n > 0 && k > 0 && m <= INT32_MAX && n <= INT32_MAX && k <= INT32_MAX);
    pthread_once(&begun, begin);
    while (sem_wait(&free_buffers) != 0) {} /* interrupted by a signal */
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1.0f,
                a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
    (void)sem_post(&free_buffers);
}

const char *mrc_blas_kernel_name(void) {
    const char *name = openblas_get_corename();
    return name != NULL ? name : "unknown";
}

const char *mrc_blas_config(void) {
    const char *config = openblas_get_config();
    return config != NULL ? config : "unknown";
}
