/* html.c: one style for all pages. */
#include "app/pages/html.h"

static const char STYLE[] =
    ":root{color-scheme:light dark;--line:#8884;--soft:#8881}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:left;"
    "vertical-align:top}td:last-child:not(.n){min-width:12rem}"
    "td.n,code{white-space:nowrap}"
    "th{font-weight:600;vertical-align:bottom}td.n,th.n{text-align:right}tr.own{background:var(--"
    "soft);font-weight:600}"
    "figure{display:inline-block;margin:0 1rem 1rem 0;max-width:100%}figure img{max-width:100%}"
    /* words in pictures stay legible: on narrow screens these scroll instead of shrinking */
    "@media(max-width:45rem){figure .scroll img{min-width:40rem}}"
    "figcaption{font-size:.85rem;opacity:.8}code{background:var(--soft);padding:0 .25rem}"
    ".note{border-left:4px solid #c60;padding:.25rem .75rem;background:var(--soft)}";

void mrc_html_begin(struct mrc_text *page, const char *title) {
    mrc_text_appendf(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                           "<meta name=\"viewport\" content=\"width=device-width\"><title>");
    mrc_html_words(page, title);
    mrc_text_appendf(page, "</title><style>%s</style></head><body>\n<h1>", STYLE);
    mrc_html_words(page, title);
    mrc_text_appendf(page, "</h1>\n");
}

void mrc_html_end(struct mrc_text *page) {
    mrc_text_appendf(page, "</body></html>\n");
}

/* Bytes of the letter at `text` by its first byte and what must follow it; 0 where there is none.
 * Overlong forms and surrogates are browsers' business: they show them as unknown. */
static int letter_bytes(const unsigned char *text) {
    int bytes = text[0] < 0x80                       ? 1
                : text[0] >= 0xC2 && text[0] <= 0xDF ? 2
                : (text[0] & 0xF0) == 0xE0           ? 3
                : text[0] >= 0xF0 && text[0] <= 0xF4 ? 4
                                                     : 0;
    for (int i = 1; i < bytes; ++i)
        if ((text[i] & 0xC0) != 0x80) return 0;
    return bytes;
}

void mrc_html_words(struct mrc_text *page, const char *words) {
    while (*words != '\0') {
        int bytes = letter_bytes((const unsigned char *)words);
        switch (*words) {
        case '&': mrc_text_appendf(page, "&amp;"); break;
        case '<': mrc_text_appendf(page, "&lt;"); break;
        case '>': mrc_text_appendf(page, "&gt;"); break;
        case '"': mrc_text_appendf(page, "&quot;"); break;
        case '\'': mrc_text_appendf(page, "&#39;"); break;
        default:
            if (bytes > 0)
                mrc_text_appendf(page, "%.*s", bytes, words);
            else
                mrc_text_appendf(page, "\xEF\xBF\xBD");
        }
        words += bytes > 0 ? bytes : 1;
    }
}

/* RFC 4648. Lines of 60 letters a piece, so that the text grows in steps. */
void mrc_html_base64(struct mrc_text *page, const unsigned char *data, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char line[64];
    size_t used = 0;
    for (size_t i = 0; i < size; i += 3) {
        unsigned a = data[i], b = i + 1 < size ? data[i + 1] : 0u;
        unsigned c = i + 2 < size ? data[i + 2] : 0u, bits = a << 16 | b << 8 | c;
        line[used++] = digits[bits >> 18 & 63u];
        line[used++] = digits[bits >> 12 & 63u];
        line[used++] = digits[bits >> 6 & 63u];
        line[used++] = digits[bits & 63u];
        if (i + 1 >= size) line[used - 2] = '=';
        if (i + 2 >= size) line[used - 1] = '=';
        if (used < 60 && i + 3 < size) continue;
        mrc_text_appendf(page, "%.*s", (int)used, line);
        used = 0;
    }
}

void mrc_html_figure(struct mrc_text *page, const unsigned char *png, size_t size_bytes,
                     const char *caption) {
    mrc_text_appendf(page, "<figure><div class=\"scroll\"><img alt=\"");
    mrc_html_words(page, caption);
    mrc_text_appendf(page, "\" src=\"data:image/png;base64,");
    mrc_html_base64(page, png, size_bytes);
    mrc_text_appendf(page, "\"></div><figcaption>");
    mrc_html_words(page, caption);
    mrc_text_appendf(page, "</figcaption></figure>\n");
}
