/* cpu.c: what cpuid tells. */
#include "base/cpu.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* 48 characters in three leaves, with spaces before and after. */
static void describe_x86(struct mrc_cpu *cpu) {
    enum { LEAVES = 3 };
    static const unsigned int first = 0x80000002u;
    unsigned int words[LEAVES][4] = {{0}};
    char brand[sizeof words + 1] = "";
    for (unsigned int i = 0; i < LEAVES; ++i)
        if (__get_cpuid(first + i, &words[i][0], &words[i][1], &words[i][2], &words[i][3]) == 0)
            return;
    memcpy(brand, words, sizeof words);
    const char *begin = brand + strspn(brand, " ");
    size_t length = strlen(begin);
    while (length > 0 && begin[length - 1] == ' ') --length;
    if (length > 0) snprintf(cpu->name, sizeof cpu->name, "%.*s", (int)length, begin);
}
#endif

void mrc_cpu_describe(struct mrc_cpu *cpu) {
    *cpu = (struct mrc_cpu){.name = "unknown"};
#if defined(__x86_64__)
    describe_x86(cpu);
    __builtin_cpu_init();
    cpu->avx2_fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    cpu->avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    cpu->avx512_bf16 = cpu->avx512 && __builtin_cpu_supports("avx512bf16");
#endif
}
