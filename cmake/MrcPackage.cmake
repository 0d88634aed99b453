# mrc_package(<name> SOURCES … [DEPENDS <package>…] [PRIVATE <external library>…])
#
# A package is a layer of the house (docs/architecture.md). It becomes
#   mrc_<name>_objects  its compiled files, from which libmrcycle is linked;
#   mrc_<name>          a static library, which tests and the program link.
# Only the packages named by DEPENDS are linked, so a call along a wrong arrow does not link; external libraries
# stay private to the package that names them.
define_property(GLOBAL PROPERTY MRC_PACKAGES BRIEF_DOCS "all packages, in order of declaration")
define_property(GLOBAL PROPERTY MRC_EXTERNALS BRIEF_DOCS "all external libraries of the packages")

function(mrc_package name)
    cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;PRIVATE" ${ARGN})
    add_library(mrc_${name}_objects OBJECT ${ARG_SOURCES})
    target_include_directories(mrc_${name}_objects PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
    target_compile_definitions(mrc_${name}_objects PRIVATE _POSIX_C_SOURCE=200809L
                               MRC_VERSION="${PROJECT_VERSION}")
    target_link_libraries(mrc_${name}_objects PRIVATE mrc_warnings mrc_instrumentation ${ARG_PRIVATE})

    add_library(mrc_${name} STATIC $<TARGET_OBJECTS:mrc_${name}_objects>)
    target_include_directories(mrc_${name} INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
    foreach(dependency IN LISTS ARG_DEPENDS)
        target_link_libraries(mrc_${name} PUBLIC mrc_${dependency})
    endforeach()
    target_link_libraries(mrc_${name} PRIVATE mrc_instrumentation ${ARG_PRIVATE})

    set_property(GLOBAL APPEND PROPERTY MRC_PACKAGES ${name})
    set_property(GLOBAL APPEND PROPERTY MRC_EXTERNALS ${ARG_PRIVATE})
endfunction()

# mrc_test(<name> SOURCES … PACKAGES <package>… [LABELS short|medium|long] [EXTRA <library>…])
# A cmocka test program. It sees the source tree's tests/ folder as MRC_TEST_DIR and ../shared as MRC_SHARED_DIR.
function(mrc_test name)
    cmake_parse_arguments(ARG "" "" "SOURCES;PACKAGES;LABELS;EXTRA" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
    target_compile_definitions(${name} PRIVATE _POSIX_C_SOURCE=200809L
        MRC_TEST_DIR="${PROJECT_SOURCE_DIR}/tests" MRC_SHARED_DIR="${PROJECT_SOURCE_DIR}/../shared"
        MRC_SAMPLE_DIR="${PROJECT_SOURCE_DIR}/sample_data")
    foreach(package IN LISTS ARG_PACKAGES)
        target_link_libraries(${name} PRIVATE mrc_${package})
    endforeach()
    target_link_libraries(${name} PRIVATE mrc_warnings mrc_instrumentation PkgConfig::CMOCKA ${ARG_EXTRA})
    add_test(NAME ${name} COMMAND ${name})
    if(NOT ARG_LABELS)
        set(ARG_LABELS short)
    endif()
    set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 600)
endfunction()

# mrc_spare_starts(<test>…): for tests that start instrumented programs many times over. Their leaks are not looked for, which is a
# third of a start (docs/testing.md says who looks), an allocation is remembered with two callers instead of thirty, and
# OpenBLAS starts no thread, which mrcycle does not use.
function(mrc_spare_starts)
    set_tests_properties(${ARGN} PROPERTIES ENVIRONMENT_MODIFICATION
        "ASAN_OPTIONS=string_append::detect_leaks=0:malloc_context_size=2;OPENBLAS_NUM_THREADS=set:1")
endfunction()

# mrc_first(<seconds> <test>…): tests that take long on one quiet core with sanitizers; with several at once they begin first, so that none
# is left to run alone in the end.
function(mrc_first seconds)
    set_tests_properties(${ARGN} PROPERTIES COST ${seconds})
endfunction()
