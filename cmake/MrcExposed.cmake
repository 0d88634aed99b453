# mrc_name_exposed(<library> <version>): says at configure time when upstream has mended holes in what comes after this version of a
# library that reads strangers' bytes. A distribution may have mended them without a new number: its changelog tells.
set(MRC_EXPOSED
    "DCMTK|3.6.9|CVE-2024-34508, CVE-2024-34509"
    "OpenJPEG|2.5.3|CVE-2024-56826, CVE-2024-56827"
    "libpng|1.6.51|CVE-2025-64720, CVE-2025-65018"
    "cJSON|1.7.18|CVE-2024-31755"
    "zlib|1.2.13|CVE-2022-37434")

function(mrc_name_exposed library version)
    foreach(row IN LISTS MRC_EXPOSED)
        string(REPLACE "|" ";" row "${row}")
        list(GET row 0 name)
        list(GET row 1 mended)
        list(GET row 2 holes)
        if(name STREQUAL library AND version AND version VERSION_LESS mended)
            message(NOTICE "-- ${library} ${version}: upstream's ${mended} mends ${holes}; see whether your distribution has")
        endif()
    endforeach()
endfunction()
