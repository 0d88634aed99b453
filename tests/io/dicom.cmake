# Tests of DICOM in and out.
foreach(name IN ITEMS dicom_read dicom_generated dicom_derived dicom_walk dicom_shared)
    mrc_test(test_${name} SOURCES test_${name}.c dicom_support.c PACKAGES io dcmtk volume base EXTRA m)
endforeach()
mrc_test(test_dicom_contrast SOURCES test_dicom_contrast.c PACKAGES io volume base EXTRA m)
