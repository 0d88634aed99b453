# Tests of DICOM in and out.
foreach(name IN ITEMS dicom_read dicom_unknown dicom_volumes dicom_check dicom_generated dicom_derived dicom_walk dicom_shared)
    mrc_test(test_${name} SOURCES test_${name}.c dicom_support.c PACKAGES io dcmtk volume base EXTRA ZLIB::ZLIB m)
endforeach()
mrc_test(test_name_words SOURCES test_name_words.c PACKAGES io volume base EXTRA m)
mrc_test(test_dicom_contrast SOURCES test_dicom_contrast.c PACKAGES io volume base EXTRA m)

# What other people's readers say of what we write.
add_executable(dicom_examples dicom_examples.c dicom_support.c)
target_include_directories(dicom_examples PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
target_compile_definitions(dicom_examples PRIVATE _POSIX_C_SOURCE=200809L)
target_link_libraries(dicom_examples PRIVATE mrc_io mrc_dcmtk mrc_volume mrc_base mrc_warnings mrc_instrumentation
    PkgConfig::CMOCKA m)
add_test(NAME dicom_verify COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/dicom_verify.sh $<TARGET_FILE:dicom_examples>)
set_tests_properties(dicom_verify PROPERTIES LABELS medium SKIP_RETURN_CODE 77 TIMEOUT 300)

# Against pydicom and dcm2niix, and over variants of one phantom made by pydicom, DCMTK and GDCM.
add_executable(io_dump peers/dump.c)
target_include_directories(io_dump PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(io_dump PRIVATE _POSIX_C_SOURCE=200809L)
target_link_libraries(io_dump PRIVATE mrc_io mrc_warnings mrc_instrumentation m)
add_test(NAME dicom_sweep COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/peers/sweep.py $<TARGET_FILE:io_dump>
         ${PROJECT_SOURCE_DIR}/../shared/data/dicom)
set_tests_properties(dicom_sweep PROPERTIES LABELS medium SKIP_RETURN_CODE 77 TIMEOUT 600)
add_test(NAME io_shared_truth COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/peers/shared_truth.py $<TARGET_FILE:mrcycle>
         $<TARGET_FILE:io_dump> ${PROJECT_SOURCE_DIR}/../shared/data)
set_tests_properties(io_shared_truth PROPERTIES LABELS medium SKIP_RETURN_CODE 77 TIMEOUT 300)
add_test(NAME dicom_variants COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/peers/variants.py $<TARGET_FILE:mrcycle>
         $<TARGET_FILE:io_dump>)
set_tests_properties(dicom_variants PROPERTIES LABELS medium SKIP_RETURN_CODE 77 TIMEOUT 600)
mrc_spare_starts(dicom_sweep io_shared_truth dicom_variants)
