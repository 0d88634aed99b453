#!/usr/bin/env bash
# Does the lint find what it bans, and only that?
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/src/cli" "$tree/src/base" "$tree/model"

cat >"$tree/model/right.c" <<'END'
#include <stdlib.h>
/* malloc( in a comment, and
   exit(1) in its second line */
static const char *text = "printf(\"%d\") and free("; // atoi(
void f(struct table *t, char c) { if (c == '"') t->free(t); mrc_free(t); snprintf_like(t); }
END
printf 'void say(void) { printf("hello\\n"); exit(0); }\n' >"$tree/src/cli/say.c"
"$here/lint.sh" "$tree"

cat >"$tree/model/wrong.c" <<'END'
void g(void) {
    void *p = malloc(3); /* closed */ free(p);
    int n = atoi("3") + (int)strtod("1", 0);
    printf("%d", n);
    sprintf(0, "x");
    exit(1);
}
END
if out=$("$here/lint.sh" "$tree"); then printf 'nothing found\n'; exit 1; fi
for expected in 'model/wrong.c:2: malloc' 'model/wrong.c:2: free' 'model/wrong.c:3: atoi' 'model/wrong.c:3: strtod' \
    'model/wrong.c:4: printf' 'model/wrong.c:5: sprintf' 'model/wrong.c:6: exit' ' 7 findings'; do
    case $out in
        *"$expected"*) ;;
        *) printf 'expected "%s" in:\n%s\n' "$expected" "$out"; exit 1 ;;
    esac
done
printf '%s\n' "$out"
