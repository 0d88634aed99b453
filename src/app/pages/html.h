/* html.h: a page that opens without a network: everything it shows is inside it. What goes between
 * the marks of the page is appended to the text by the caller, words through mrc_html_words. */
#ifndef MRC_APP_PAGES_HTML_H
#define MRC_APP_PAGES_HTML_H

#include <stddef.h>

#include "base/export.h"
#include "base/text.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The page's head, its style (light and dark), and its title as the first heading. Tables, figures
 * and <code> look like this program's pages; a table cell of class "n" is a number. */
MRC_API void mrc_html_begin(struct mrc_text *page, const char *title);
MRC_API void mrc_html_end(struct mrc_text *page);
/** Words with & < > " ' escaped; bytes that are no letters of UTF-8 become U+FFFD. */
MRC_API void mrc_html_words(struct mrc_text *page, const char *words);
/** Bytes in the letters of RFC 4648. */
void mrc_html_base64(struct mrc_text *page, const unsigned char *data, size_t size);
/** A PNG inside the page, with its caption. */
MRC_API void mrc_html_figure(struct mrc_text *page, const unsigned char *png, size_t size_bytes,
                             const char *caption);

#ifdef __cplusplus
}
#endif
#endif
