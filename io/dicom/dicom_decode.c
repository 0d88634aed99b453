/* dicom_decode.c: the pixels of a volume. They are decoded in child processes (base/isolate.h), a
 * run of slices each, for compressed pixels may be anything: a file that crashes or hangs its
 * decoder fails alone, by name. */
#include <string.h>

#include "base/alloc.h"
#include "base/isolate.h"
#include "io/dcmtk/bridge.h"
#include "io/dicom/dicom_slice.h"

enum { SLICES_A_JOB = 8 };

struct decoding {
    float *voxels; /* where the slices go, one after the other */
    const struct mrc_dicom_slice *const *slices;
    size_t count, slice_voxels;
    size_t *begins;                 /* first slice of each job, and the end */
    size_t *taken;                  /* slices of each job that came */
    struct mrc_dicom_reader reader; /* of the child that asks */
};

/* Frames of one file stay together: what decodes one of them may decode all. Gives the number of
 * jobs. */
static size_t cut_jobs(size_t *begins, const struct mrc_dicom_slice *const *slices, size_t count) {
    size_t jobs = 0;
    for (size_t i = 0; i < count; ++i) {
        bool same_file = i > 0 && slices[i]->path == slices[i - 1]->path;
        if (i == 0 || (!same_file && i - begins[jobs - 1] >= SLICES_A_JOB)) begins[jobs++] = i;
    }
    begins[jobs] = count;
    return jobs;
}

static enum mrc_status decode(void *context, size_t job, mrc_isolate_sink *sink,
                              struct mrc_error *err) {
    struct decoding *d = context;
    float *slice = mrc_alloc(d->slice_voxels, sizeof *slice);
    if (slice == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a slice");
    enum mrc_status st = MRC_OK;
    for (size_t i = d->begins[job]; st == MRC_OK && i < d->begins[job + 1]; ++i) {
        st = mrc_dicom_reader_load(slice, &d->reader, d->slices[i], err);
        if (st == MRC_OK) st = mrc_isolate_send(sink, slice, d->slice_voxels * sizeof *slice, err);
    }
    mrc_free(slice);
    return st;
}

/* The slice that is expected next of a job. */
static size_t next_slice(const struct decoding *d, size_t job) {
    return d->begins[job] + d->taken[job];
}

static enum mrc_status take(void *context, size_t job, const void *bytes, size_t size,
                            struct mrc_error *err) {
    struct decoding *d = context;
    size_t i = next_slice(d, job);
    if (i >= d->begins[job + 1] || size != d->slice_voxels * sizeof *d->voxels)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: its decoder gave %zu bytes, expected %zu",
                        d->slices[d->begins[job]]->path, size, d->slice_voxels * sizeof *d->voxels);
    memcpy(d->voxels + i * d->slice_voxels, bytes, size);
    ++d->taken[job];
    return MRC_OK;
}

static const char *file_to_read(void *context, size_t number) {
    const struct decoding *d = context;
    return number < d->count ? d->slices[number]->path : NULL;
}

static enum mrc_status finish(void *context, size_t job, enum mrc_status status, const char *why,
                              bool ended, struct mrc_error *err) {
    const struct decoding *d = context;
    size_t i = next_slice(d, job);
    if (status == MRC_OK && i == d->begins[job + 1]) return MRC_OK;
    if (status == MRC_OK) status = MRC_ERR_FORMAT, why = "not all of it was decoded", ended = true;
    if (i == d->begins[job + 1]) --i;
    return ended ? mrc_fail(err, status, "%s: %s", d->slices[i]->path, why)
                 : mrc_fail(err, status, "%s", why);
}

enum mrc_status mrc_dicom_slices_decode(float *voxels, const struct mrc_dicom_slice *const *slices,
                                        size_t count, struct mrc_error *err) {
    struct decoding d = {.voxels = voxels,
                         .slices = slices,
                         .count = count,
                         .slice_voxels = (size_t)slices[0]->rows * (size_t)slices[0]->columns,
                         .begins = mrc_alloc(count + 1, sizeof *d.begins),
                         .taken = mrc_alloc(count, sizeof *d.taken)};
    const struct mrc_isolate_work work = {
        .context = &d, .run = decode, .take = take, .finish = finish, .file = file_to_read};
    struct mrc_isolate_limits limits = MRC_ISOLATE_VOXELS;
    limits.piece_bytes = d.slice_voxels * sizeof *voxels;
    enum mrc_status st = d.begins != NULL && d.taken != NULL
                             ? MRC_OK
                             : mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu slices", count);
    mrc_dcmtk_prepare();
    if (st == MRC_OK) st = mrc_isolate_run(&work, cut_jobs(d.begins, slices, count), &limits, err);
    mrc_dicom_reader_close(&d.reader); /* open when the jobs ran here */
    mrc_free(d.taken);
    mrc_free(d.begins);
    return st;
}
