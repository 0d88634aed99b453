# Tests of DICOM in and out.
mrc_test(test_dicom_read SOURCES test_dicom_read.c dicom_support.c PACKAGES io dcmtk volume base EXTRA m)
mrc_test(test_dicom_generated SOURCES test_dicom_generated.c dicom_support.c PACKAGES io dcmtk volume base EXTRA m)
mrc_test(test_dicom_derived SOURCES test_dicom_derived.c dicom_support.c PACKAGES io dcmtk volume base EXTRA m)
