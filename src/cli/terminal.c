/* terminal.c: lines, bars, interrupts, exit codes. */
#include "cli/terminal.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/command.h"

static const double redraw_s = 0.1;
enum { LINE_LIMIT = 400, NARROWEST = 20, USUAL_WIDTH = 80 };

static volatile sig_atomic_t interrupted, hung_up;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

void mrc_terminal_catch_interrupts(void) {
    struct sigaction action = {.sa_handler = on_interrupt};
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    action.sa_handler =
        SIG_IGN; /* a write that fails says so, and what is half-written is removed */
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL);
}

static void on_hangup(int signal_number) {
    (void)signal_number;
    hung_up = 1;
}

void mrc_terminal_catch_reload(void) {
    struct sigaction action = {.sa_handler = on_hangup};
    if (isatty(STDERR_FILENO)) return; /* the terminal goes, and with it the user */
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(SIGHUP, &action, NULL);
}

bool mrc_terminal_wants_reload(void *nothing) {
    (void)nothing;
    bool wanted = hung_up != 0;
    hung_up = 0;
    return wanted;
}

bool mrc_terminal_interrupted(void) {
    return interrupted != 0;
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int width_of_terminal(void) {
    struct winsize size = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= NARROWEST)
        return size.ws_col;
    return USUAL_WIDTH;
}

void mrc_terminal_init(struct mrc_terminal *terminal, bool quiet) {
    const char *plain = getenv("NO_COLOR"); /* no-color.org: present and not empty */
    bool bare = plain != NULL && plain[0] != '\0';
    *terminal =
        (struct mrc_terminal){.quiet = quiet, .is_terminal = !bare && isatty(STDERR_FILENO) == 1};
}

void mrc_terminal_clear_bar(struct mrc_terminal *terminal) {
    if (!terminal->bar_shown) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    terminal->bar_shown = false;
}

/* Replaces the bar by `text`, cut to the terminal's width. */
static void draw(struct mrc_terminal *terminal, const char *text) {
    fprintf(stderr, "\r\033[K%.*s", width_of_terminal() - 1, text);
    fflush(stderr);
    terminal->bar_shown = true;
    terminal->last_drawn = now_s();
}

static void write_line(struct mrc_terminal *terminal, const char *text) {
    mrc_terminal_clear_bar(terminal);
    fputs("mrcycle: ", stderr);
    for (const char *c = text; *c != '\0'; ++c) /* names of files may hold anything */
        fputc((unsigned char)*c < ' ' || *c == 127 ? '?' : *c, stderr);
    fputc('\n', stderr);
}

static void print_bar(char *out, int cells, double part) {
    int full = (int)lrint(fmin(fmax(part, 0.0), 1.0) * cells);
    out[0] = '[';
    for (int i = 0; i < cells; ++i) out[i + 1] = i < full ? '#' : '.';
    out[cells + 1] = ']';
    out[cells + 2] = '\0';
}

/* --- Events --- */

static void on_note(void *context, const char *text) {
    struct mrc_terminal *terminal = context;
    if (!terminal->quiet) write_line(terminal, text);
}

static void on_progress(void *context, const char *stage, int64_t done, int64_t total) {
    enum { CELLS = 30 };
    struct mrc_terminal *terminal = context;
    if (terminal->quiet || !terminal->is_terminal || total < 1) return;
    if (done < total && now_s() - terminal->last_drawn < redraw_s) return;
    char bar[CELLS + 3], text[LINE_LIMIT];
    print_bar(bar, CELLS, (double)done / (double)total);
    snprintf(text, sizeof text, "%s %s %lld/%lld", stage, bar, (long long)done, (long long)total);
    draw(terminal, text);
}

static bool on_cancelled(void *context) {
    (void)context;
    return interrupted != 0;
}

struct mrc_events mrc_terminal_events(struct mrc_terminal *terminal) {
    return (struct mrc_events){
        .context = terminal, .note = on_note, .progress = on_progress, .cancelled = on_cancelled};
}

/* --- Training --- */

/* "1:02:03" or "2:03". */
static void print_duration(char *out, size_t capacity, double seconds) {
    long long s = isfinite(seconds) && seconds > 0.0 ? llround(seconds) : 0;
    if (s >= 3600)
        snprintf(out, capacity, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, capacity, "%lld:%02lld", s / 60, s % 60);
}

static void print_losses(char *out, size_t capacity, const struct mrc_losses *l) {
    char structure[32] = "", paired[32] = "";
    if (l->structure_g + l->structure_f > 0.0)
        snprintf(structure, sizeof structure, " structure %.4f",
                 (l->structure_g + l->structure_f) / 2.0);
    if (l->paired_x + l->paired_y > 0.0)
        snprintf(paired, sizeof paired, " paired %.4f", (l->paired_x + l->paired_y) / 2.0);
    if (l->cycle_x + l->cycle_y == 0.0) { /* a step of the warm-up has one loss */
        snprintf(out, capacity, "warm-up %.4f", l->total_generator);
        return;
    }
    snprintf(out, capacity, "cycle %.4f identity %.4f%s%s G %.3f F %.3f D %.3f",
             (l->cycle_x + l->cycle_y) / 2.0, (l->identity_x + l->identity_y) / 2.0, structure,
             paired, l->adversarial_g, l->adversarial_f, (l->total_d_x + l->total_d_y) / 2.0);
}

void mrc_terminal_training(void *context, const struct mrc_train_progress *progress) {
    enum { CELLS = 10 };
    struct mrc_terminal *terminal = context;
    const struct mrc_trainer_progress *at = progress->at;
    if (terminal->quiet) return;
    char losses[128], left[32], bar[CELLS + 3], text[LINE_LIMIT];
    print_duration(left, sizeof left, progress->seconds_left);
    if (terminal->is_terminal) {
        if (at->step < at->steps && now_s() - terminal->last_drawn < redraw_s) return;
        print_losses(losses, sizeof losses, at->losses);
        print_bar(bar, CELLS, (double)at->step / (double)at->steps);
        snprintf(text, sizeof text, "epoch %lld/%lld %lld/%lld %s %s left, %.1f images/s, %s",
                 (long long)at->epoch, (long long)at->epochs, (long long)at->step_of_epoch,
                 (long long)at->steps_per_epoch, bar, left, progress->images_per_second, losses);
        draw(terminal, text);
    } else if (at->epoch_means != NULL) {
        print_losses(losses, sizeof losses, at->epoch_means);
        snprintf(text, sizeof text, "epoch %lld/%lld: %s, %.1f images/s, %s left",
                 (long long)at->epoch, (long long)at->epochs, losses, progress->images_per_second,
                 left);
        write_line(terminal, text);
    }
}

/* --- Ends --- */

const struct mrc_exit_meaning mrc_exit_meanings[] = {
    {MRC_EXIT_OK, "done"},
    {MRC_EXIT_USAGE, "usage: unknown option, impossible value"},
    {MRC_EXIT_INPUT, "an input is missing or cannot be read"},
    {MRC_EXIT_INPUT + 1, "an input is broken or contradicts itself"},
    {MRC_EXIT_INPUT + 2, "an input is valid and refused: not MR, derived, sheared, two series"},
    {MRC_EXIT_INPUT + 3, "an input exceeds a limit"},
    {MRC_EXIT_OUTPUT, "an output cannot be written"},
    {MRC_EXIT_NETWORK, "network: no connection, or it broke"},
    {MRC_EXIT_NETWORK + 1, "network: the other side refused"},
    {MRC_EXIT_PROCESSING, "out of memory"},
    {MRC_EXIT_PROCESSING + 1, "the computation left the finite numbers"},
    {MRC_EXIT_PROCESSING + 2, "stopped"},
    {0, NULL}};

int mrc_exit_code(enum mrc_status status) {
    switch (status) {
    case MRC_OK: return MRC_EXIT_OK;
    case MRC_ERR_ARGUMENT: return MRC_EXIT_USAGE;
    case MRC_ERR_IO: return MRC_EXIT_INPUT;
    case MRC_ERR_FORMAT: return MRC_EXIT_INPUT + 1;
    case MRC_ERR_UNSUPPORTED: return MRC_EXIT_INPUT + 2;
    case MRC_ERR_RANGE: return MRC_EXIT_INPUT + 3;
    case MRC_ERR_WRITE: return MRC_EXIT_OUTPUT;
    case MRC_ERR_NOMEM: return MRC_EXIT_PROCESSING;
    case MRC_ERR_NUMERIC: return MRC_EXIT_PROCESSING + 1;
    case MRC_ERR_CANCELLED: return MRC_EXIT_PROCESSING + 2;
    case MRC_ERR_NETWORK: return MRC_EXIT_NETWORK;
    case MRC_ERR_PEER: return MRC_EXIT_NETWORK + 1;
    }
    return MRC_EXIT_PROCESSING;
}

int mrc_terminal_fail(struct mrc_terminal *terminal, enum mrc_status status,
                      const struct mrc_error *err) {
    write_line(terminal, err->text[0] != '\0' ? err->text : mrc_status_name(status));
    return mrc_exit_code(status);
}

int mrc_terminal_batch(struct mrc_terminal *terminal, const struct mrc_batch *batch,
                       enum mrc_status status, const struct mrc_error *err) {
    struct mrc_text text = {0};
    mrc_batch_print(&text, batch);
    mrc_terminal_clear_bar(terminal);
    if (batch->count > 0 && text.data != NULL) fputs(text.data, stdout);
    mrc_text_clear(&text);
    if (status != MRC_OK) return mrc_terminal_fail(terminal, status, err);
    return mrc_exit_code(mrc_batch_status(batch));
}

int mrc_terminal_usage(const char *command, const char *fmt, ...) {
    char text[LINE_LIMIT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    char plain[LINE_LIMIT]; /* what the user typed may hold anything */
    mrc_text_plain(plain, sizeof plain, text);
    fprintf(stderr, "mrcycle: %s%s%s (mrcycle help%s%s)\n", command != NULL ? command : "",
            command != NULL ? ": " : "", plain, command != NULL ? " " : "",
            command != NULL ? command : "");
    return MRC_EXIT_USAGE;
}
