/* run_report.c: the tables of a run stay as they are written, inside the page; its script draws
 * them as curves. */
#include "app/train/run_report.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "app/pages/html.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/text.h"
#include "model/gan/settings.h"

enum { MAX_BYTES = 1 << 28, SHEETS = 6 };

/* One chart a group of columns; a line shows its values at the epoch under the pointer. */
static const char SCRIPT[] =
    "const NS='http://www.w3.org/2000/svg',"
    "COLOURS=['#0072b2','#d55e00','#009e73','#cc79a7','#e69f00','#56b4e9','#f0e442','#777'];\n"
    "function el(p,n,a,t){const e=document.createElementNS(NS,n);"
    "for(const k in a)e.setAttribute(k,a[k]);if(t!==undefined)e.textContent=t;p.appendChild(e);"
    "return e}\n"
    "function table(id){const l=document.getElementById(id).textContent.trim().split('\\n'),"
    "h=l[0].split(',');return l.slice(1).map(r=>{const v=r.split(','),o={};"
    "h.forEach((k,i)=>o[k]=Number(v[i]));return o})}\n"
    "const short=(n,d)=>n!==0&&(Math.abs(n)>=1e5||Math.abs(n)<1e-4)?n.toExponential(d-1):"
    "Number(n.toPrecision(d));\n"
    /* what a run has no use for is 0 throughout */
    "function chart(place,title,rows,keys,log){"
    "keys=keys.filter(k=>rows.some(r=>Number.isFinite(r[k])&&r[k]!==0));"
    "rows=rows.filter(r=>keys.some(k=>Number.isFinite(r[k])));if(!rows.length)return;"
    "if(log)title+=' (logarithmic)';\n"
    "const W=860,H=260,L=62,R=12,T=26,B=30,f=document.createElement('figure');"
    "place.appendChild(f);const s=el(f,'svg',{viewBox:`0 0 ${W} ${H}`,class:'chart',role:'img',"
    "'aria-label':title});el(s,'text',{x:L,y:16,class:'title'},title);\n"
    "const x0=rows[0].epoch,x1=Math.max(rows[rows.length-1].epoch,x0+1);"
    "let v=[];for(const r of rows)for(const k of keys)if(Number.isFinite(r[k])&&(!log||r[k]>0)&&"
    "Math.abs(r[k])<1e8)v.push(r[k]);if(!v.length)return;"
    "const tr=y=>log?Math.log10(y):y;let lo=tr(Math.min(...v)),hi=tr(Math.max(...v));"
    "if(hi-lo<1e-9){lo-=.5;hi+=.5}\n"
    "const X=e=>L+(e-x0)/(x1-x0)*(W-L-R),Y=y=>H-B-(tr(y)-lo)/(hi-lo)*(H-T-B);\n"
    "for(let i=0;i<=4;i++){const t=lo+(hi-lo)*i/4,y=H-B-i/4*(H-T-B),n=log?10**t:t;"
    "el(s,'line',{x1:L,x2:W-R,y1:y,y2:y,class:'grid'});"
    "el(s,'text',{x:L-6,y:y+4,class:'tick','text-anchor':'end'},short(n,3))}\n"
    "for(let i=0;i<=5;i++){const e=Math.round(x0+(x1-x0)*i/5);"
    "el(s,'text',{x:X(e),y:H-10,class:'tick','text-anchor':'middle'},e)}\n"
    "keys.forEach((k,i)=>{let d='',up=true;for(const r of rows){const y=r[k];"
    "if(!Number.isFinite(y)||(log&&y<=0)||Math.abs(y)>=1e8){up=true;continue}"
    "d+=(up?'M':'L')+X(r.epoch).toFixed(1)+' '+Y(y).toFixed(1);up=false}"
    "el(s,'path',{d:d,fill:'none',stroke:COLOURS[i],'stroke-width':1.6})});\n"
    "const c=el(s,'line',{y1:T,y2:H-B,class:'cursor',visibility:'hidden'}),"
    "g=document.createElement('figcaption');f.appendChild(g);\n"
    "const say=r=>{g.replaceChildren();const e=document.createElement('b');"
    "e.textContent='epoch '+r.epoch+'  ';g.appendChild(e);keys.forEach((k,i)=>{"
    "const o=document.createElement('span');o.style.color=COLOURS[i];"
    "o.textContent='\\u25cf ';g.appendChild(o);g.append(k.replaceAll('_',' ')+' '+"
    "(Number.isFinite(r[k])?short(r[k],4):'-')+'   ')})};"
    "say(rows[rows.length-1]);\n"
    "s.addEventListener('pointermove',m=>{const b=s.getBoundingClientRect(),"
    "e=x0+((m.clientX-b.left)/b.width*W-L)/(W-L-R)*(x1-x0);let n=rows[0];"
    "for(const r of rows)if(Math.abs(r.epoch-e)<Math.abs(n.epoch-e))n=r;"
    "c.setAttribute('x1',X(n.epoch));c.setAttribute('x2',X(n.epoch));"
    "c.setAttribute('visibility','visible');say(n)});"
    "s.addEventListener('pointerleave',()=>{c.setAttribute('visibility','hidden');"
    "say(rows[rows.length-1])})}\n"
    "const log=table('log'),checks=table('checks'),a=document.getElementById('losses'),"
    "b=document.getElementById('curves');\n"
    "chart(a,'of images',log,images,true);\n"
    "chart(a,'generators against discriminators',log,contest,false);\n"
    "chart(b,'selection: the best checkpoint has least',checks,['selection'],true);\n"
    "chart(b,'kernel distance of features',checks,['kid_y','kid_x'],true);\n"
    "chart(b,'variety, as part of the real "
    "images\\u2019',checks,['variety_y','variety_x'],false);\n"
    "chart(b,'verdicts on real less those on fake',checks,['verdict_gap_y','verdict_gap_x'],false);"
    "\n";
static const char STYLE[] =
    "<style>svg.chart{width:860px;max-width:100%;touch-action:none}"
    ".chart text{font:12px system-ui,sans-serif;fill:currentColor}"
    ".chart .title{font-weight:600}.chart .grid{stroke:var(--line)}"
    ".chart .cursor{stroke:currentColor;stroke-dasharray:3 3}"
    "figure{margin-left:0}figcaption{white-space:pre-wrap}"
    "pre{white-space:pre-wrap;background:var(--soft);padding:.5rem}</style>";

/* NULL in *out when there is no such file. */
static enum mrc_status read_text(char **out, const char *run, const char *name,
                                 struct mrc_error *err) {
    unsigned char *text = NULL;
    size_t size = 0;
    char *path = mrc_path_join(run, name);
    enum mrc_status st = MRC_OK;
    *out = NULL;
    if (path == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "report: out of memory");
    if (mrc_path_exists(path)) st = mrc_read_file(&text, &size, path, MAX_BYTES, err);
    mrc_free(path);
    *out = (char *)text;
    return st;
}

/* A table of numbers for the script; words are not among them but the last column of checks. */
static enum mrc_status add_table(struct mrc_text *page, const char *run, const char *name,
                                 const char *id, struct mrc_error *err) {
    char *text = NULL;
    enum mrc_status st = read_text(&text, run, name, err);
    mrc_text_appendf(page, "<script type=\"text/csv\" id=\"%s\">", id);
    /* no "<" stands in it; were there one, the page would end */
    for (char *c = text; c != NULL && *c != '\0'; ++c)
        if (*c == '<') *c = ' ';
    mrc_text_appendf(page, "%s</script>\n", text != NULL ? text : "epoch\n");
    mrc_free(text);
    return st;
}

/* The columns of log.csv that a chart shows. */
static void add_columns(struct mrc_text *page, const char *name, enum mrc_loss_chart chart) {
    mrc_text_appendf(page, "const %s=[", name);
    for (size_t c = 0; c < MRC_LOSS_COUNT; ++c)
        if (mrc_loss_row(c)->chart == chart) mrc_text_appendf(page, "'%s',", mrc_loss_row(c)->name);
    mrc_text_appendf(page, "];\n");
}

static enum mrc_status add_events(struct mrc_text *page, const char *run, struct mrc_error *err) {
    char *text = NULL;
    enum mrc_status st = read_text(&text, run, "events.csv", err);
    if (text == NULL) return st;
    mrc_text_appendf(page, "<h2>Warnings and rollbacks</h2>\n<pre>");
    mrc_html_words(page, text);
    mrc_text_appendf(page, "</pre>\n");
    mrc_free(text);
    return st;
}

static enum mrc_status add_sheet(struct mrc_text *page, const char *run, const char *name,
                                 struct mrc_error *err) {
    unsigned char *png = NULL;
    size_t size = 0;
    char *path = mrc_asprintf("%s/samples/%s", run, name);
    if (path == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "report: out of memory");
    enum mrc_status st = mrc_read_file(&png, &size, path, MAX_BYTES, err);
    if (st == MRC_OK) mrc_html_figure(page, png, size, name);
    mrc_free(png);
    mrc_free(path);
    return st;
}

/* Of all sheets, evenly spread, from the newest back. */
static enum mrc_status add_sheets(struct mrc_text *page, const char *run, struct mrc_error *err) {
    struct mrc_name_list names = {0};
    char *folder = mrc_path_join(run, "samples");
    if (folder == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "report: out of memory");
    enum mrc_status st = MRC_OK;
    if (mrc_path_is_dir(folder)) st = mrc_list_dir(&names, folder, err);
    mrc_text_appendf(page, "<h2>Samples</h2>\n<p>Real, fake and reconstructed slices, always the "
                           "same ones. Fake and reconstructed images are synthetic.</p>\n");
    size_t shown = names.count < SHEETS ? names.count : SHEETS;
    for (size_t n = 0; st == MRC_OK && n < shown; ++n) {
        size_t at = names.count - 1 - (shown > 1 ? n * (names.count - 1) / (shown - 1) : 0);
        if (mrc_path_has_suffix(names.names[at], ".png"))
            st = add_sheet(page, run, names.names[at], err);
    }
    mrc_name_list_clear(&names);
    mrc_free(folder);
    return st;
}

static void add_rows(struct mrc_text *page, const char *title, const cJSON *node) {
    const cJSON *item = NULL;
    mrc_text_appendf(page, "<h2>%s</h2>\n<table>\n", title);
    cJSON_ArrayForEach(item, node) {
        char number[32];
        if (cJSON_IsObject(item) || cJSON_IsArray(item)) continue;
        mrc_text_appendf(page, "<tr><td>");
        mrc_html_words(page, item->string);
        mrc_text_appendf(page, "</td><td>");
        if (cJSON_IsString(item)) mrc_html_words(page, item->valuestring);
        if (cJSON_IsBool(item)) mrc_text_appendf(page, "%s", cJSON_IsTrue(item) ? "yes" : "no");
        if (cJSON_IsNumber(item)) {
            mrc_print_decimal(number, sizeof number, item->valuedouble);
            mrc_text_appendf(page, "%s", number);
        }
        mrc_text_appendf(page, "</td></tr>\n");
    }
    mrc_text_appendf(page, "</table>\n");
}

static enum mrc_status add_settings(struct mrc_text *page, const char *run, struct mrc_error *err) {
    static const char *const groups[][2] = {{"model", "Settings of the model"},
                                            {"training", "Settings of training"},
                                            {"data", "Data"},
                                            {"system", "System"}};
    char *text = NULL;
    enum mrc_status st = read_text(&text, run, "settings.json", err);
    cJSON *root = text != NULL ? cJSON_Parse(text) : NULL;
    add_rows(page, "Run", root);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; ++i)
        add_rows(page, groups[i][1], cJSON_GetObjectItem(root, groups[i][0]));
    cJSON_Delete(root);
    mrc_free(text);
    return st;
}

enum mrc_status mrc_run_report_save(const char *run, struct mrc_error *err) {
    struct mrc_text page = {0};
    mrc_html_begin(&page, "Training run");
    mrc_text_appendf(&page,
                     "%s<h2>Losses</h2>\n<p>Means of each epoch; x is the first and y the second "
                     "contrast. Point at "
                     "a curve to read it.</p>\n<div id=\"losses\"></div>\n"
                     "<h2>Checks without pairs</h2>\n<div id=\"curves\"></div>\n",
                     STYLE);
    enum mrc_status st = add_table(&page, run, "log.csv", "log", err);
    if (st == MRC_OK) st = add_table(&page, run, "checks.csv", "checks", err);
    if (st == MRC_OK) st = add_events(&page, run, err);
    if (st == MRC_OK) st = add_sheets(&page, run, err);
    if (st == MRC_OK) st = add_settings(&page, run, err);
    mrc_text_appendf(&page, "<script>\n");
    add_columns(&page, "images", MRC_CHART_IMAGES);
    add_columns(&page, "contest", MRC_CHART_CONTEST);
    mrc_text_appendf(&page, "%s</script>\n", SCRIPT);
    mrc_html_end(&page);
    char *path = mrc_path_join(run, "report.html");
    if (st == MRC_OK && (page.failed || path == NULL))
        st = mrc_fail(err, MRC_ERR_NOMEM, "report: out of memory");
    if (st == MRC_OK) st = mrc_write_file(path, page.data, strlen(page.data), err);
    mrc_free(path);
    mrc_text_clear(&page);
    return st;
}
