/* json.c: see the header. */
#include "base/json.h"

#include <pthread.h>

#include "base/alloc.h"

static pthread_once_t hooked = PTHREAD_ONCE_INIT;
static _Thread_local bool failed;

static void *allocate(size_t bytes) {
    void *block = mrc_alloc(bytes, 1);
    if (block == NULL) failed = true;
    return block;
}

static void hook(void) {
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = allocate, .free_fn = mrc_free});
}

cJSON *mrc_json_begin(void) {
    (void)pthread_once(&hooked, hook);
    failed = false;
    return cJSON_CreateObject();
}

char *mrc_json_print(const cJSON *root, bool formatted) {
    if (failed || root == NULL) return NULL;
    char *text = formatted ? cJSON_Print(root) : cJSON_PrintUnformatted(root);
    if (!failed) return text;
    cJSON_free(text);
    return NULL;
}

cJSON *mrc_json_parse(const char *text, size_t size, const char **end, bool *exhausted) {
    (void)pthread_once(&hooked, hook);
    failed = false;
    cJSON *root = cJSON_ParseWithLengthOpts(text, size, end, 0);
    *exhausted = failed;
    return root;
}
