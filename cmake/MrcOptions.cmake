# Warnings, sanitizers and coverage as interface targets: nothing here touches global flags.
add_library(mrc_warnings INTERFACE)
set(MRC_COMMON_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion -Wvla -Wundef)
target_compile_options(mrc_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:C>:${MRC_COMMON_WARNINGS} -Wstrict-prototypes -Wmissing-prototypes>
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow>
    $<$<BOOL:${MRC_WERROR}>:-Werror>)

add_library(mrc_instrumentation INTERFACE)
if(MRC_FAULT_HOOK)
    target_compile_definitions(mrc_instrumentation INTERFACE MRC_FAULT_HOOK)
endif()
if(MRC_SANITIZE)
    target_compile_options(mrc_instrumentation INTERFACE
        -fsanitize=${MRC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(mrc_instrumentation INTERFACE -fsanitize=${MRC_SANITIZE})
endif()
if(MRC_COVERAGE)
    target_compile_options(mrc_instrumentation INTERFACE --coverage)
    target_link_options(mrc_instrumentation INTERFACE --coverage)
endif()
if(MRC_BUILD_FUZZERS)
    # The packages tell libFuzzer which branches an input took; the fuzz targets link its main (tests/fuzz).
    target_compile_options(mrc_instrumentation INTERFACE -fsanitize=fuzzer-no-link)
endif()
