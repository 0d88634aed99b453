/* json.h: text of a cJSON tree, whole or not at all. cJSON's own functions go on when memory is
 * exhausted, and leave out what had no room: a record without half of its members. Here every
 * allocation of a tree is counted from its beginning to its text. */
#ifndef MRC_BASE_JSON_H
#define MRC_BASE_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An empty object; whatever of it, of what is added to it and of its text finds no memory in this
 * thread makes mrc_json_print fail. One tree at a time. NULL when memory is exhausted, which cJSON's
 * functions and mrc_json_print take. */
cJSON *mrc_json_begin(void);
/** The text (cJSON_free), over several lines or on one; NULL: memory was exhausted at any time since
 * mrc_json_begin. */
char *mrc_json_print(const cJSON *root, bool formatted);

/** The tree of `text` (cJSON_Delete); NULL: it is no JSON, or *exhausted says that memory was. end:
 * where the value ends; NULL: not asked. */
cJSON *mrc_json_parse(const char *text, size_t size, const char **end, bool *exhausted);

#ifdef __cplusplus
}
#endif
#endif
