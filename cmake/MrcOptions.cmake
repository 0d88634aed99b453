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
# What makes a fault in C harder to use: checked copies, guarded stacks, jumps to marked places only (CFI by the processor),
# and nothing of the loader's left writable. Sanitizers bring their own, and fortify needs an optimiser.
if(MRC_HARDEN AND NOT MRC_SANITIZE)
    include(CheckCompilerFlag)
    include(CheckPIESupported)
    check_pie_supported()
    foreach(flag IN ITEMS -fstack-protector-strong -fstack-clash-protection -fcf-protection=full)
        string(MAKE_C_IDENTIFIER "MRC_HAS${flag}" known)
        check_compiler_flag(C ${flag} ${known})
        if(${known})
            target_compile_options(mrc_instrumentation INTERFACE ${flag})
        endif()
    endforeach()
    target_compile_options(mrc_instrumentation INTERFACE
        $<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-U_FORTIFY_SOURCE>
        $<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-D_FORTIFY_SOURCE=2>
        $<$<COMPILE_LANGUAGE:CXX>:-D_GLIBCXX_ASSERTIONS>)
    target_link_options(mrc_instrumentation INTERFACE LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
endif()
if(MRC_COVERAGE)
    target_compile_options(mrc_instrumentation INTERFACE --coverage)
    target_link_options(mrc_instrumentation INTERFACE --coverage)
endif()
if(MRC_BUILD_FUZZERS)
    # The packages tell libFuzzer which branches an input took; the fuzz targets link its main (tests/fuzz).
    target_compile_options(mrc_instrumentation INTERFACE -fsanitize=fuzzer-no-link)
endif()
