# The DICOM part of package io.
set(io_dicom_sources dicom.c dicom_check.c dicom_contrast.c dicom_decode.c dicom_deidentify.c dicom_deidentify_table.c dicom_gaps.c dicom_series.c dicom_stack.c dicom_slice.c dicom_source.c dicom_verdict.c dicom_pixels.c dicom_write.c dicom_generated.c dicom_derived.c)
