/* fuzz_serve_config.c: the settings of a node. No name server is asked. */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

#include "app/node/serve_config.h"
#include "tests/fuzz/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct answer {
    struct addrinfo info;
    struct sockaddr_in address;
};

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
    struct answer *answer = calloc(1, sizeof *answer);
    (void)service, (void)hints;
    if (answer == NULL || inet_pton(AF_INET, node, &answer->address.sin_addr) != 1) {
        free(answer);
        return EAI_NONAME;
    }
    answer->info.ai_addr = (struct sockaddr *)&answer->address;
    *out = &answer->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *info) {
    free(info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct mrc_serve_config config;
    struct mrc_error err = {0};
    mrc_serve_config_init(&config);
    enum mrc_status st =
        mrc_serve_config_load(&config, fuzz_file(NULL, "c.conf", data, size), &err);
    if ((st == MRC_OK) != (err.text[0] == '\0')) abort();
    if (config.allowed_count > MRC_SERVE_ALLOWED || config.peer_count > MRC_SERVE_PEERS ||
        config.rule_count > MRC_RULES)
        abort();
    return 0;
}
