/* fuzz_json.c: the sidecar of a NIfTI file, the record of a job, and its host. */
#include <string.h>

#include "app/node/queue_folder.h"
#include "io/nifti/nifti_sidecar.h"
#include "tests/fuzz/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct mrc_job job;
    struct mrc_nifti_sidecar sidecar;
    const char *dir = NULL;
    char nifti[160];
    (void)fuzz_file(&dir, "job.json", data, size);
    mrc_job_read(&job, dir);
    if (memchr(job.source, 0, sizeof job.source) == NULL ||
        memchr(job.host, 0, sizeof job.host) == NULL)
        abort();
    (void)fuzz_file(&dir, "x.json", data, size);
    snprintf(nifti, sizeof nifti, "%s/x.nii", dir);
    mrc_nifti_sidecar_read(&sidecar, nifti);
    if (memchr(sidecar.manufacturer, 0, sizeof sidecar.manufacturer) == NULL) abort();
    return 0;
}
