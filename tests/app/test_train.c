/* test_train.c: a small training run and the folder it leaves. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/common/model_file.h"
#include "app/head.h"
#include "app/inspect/survey.h"
#include "app/sets/class_balance.h"
#include "app/train/train.h"
#include "base/fs.h"
#include "base/isolate.h"
#include "base/parallel.h"
#include "model/files/checkpoint.h"

static char root[] = "/tmp/mrc-train-XXXXXX";

/* Of 19 slices, for time. */
static mrc_volume *make_head(double tilt_deg) {
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    assert_ok(head_create(&vol, "LPS", tilt_deg, &err), &err);
    assert_ok(head_thin(&vol, 3, &err), &err);
    return vol;
}

static int enter(void **state) {
    (void)state;
    struct mrc_error err = {0};
    if (mkdtemp(root) == NULL || chdir(root) != 0) return -1;
    mrc_volume *vol = make_head(0.0);
    assert_ok(mrc_make_dirs("set/T1w/deep", &err), &err);
    assert_ok(mrc_make_dirs("set/T2w/series", &err), &err);
    assert_ok(mrc_nifti_save(vol, "set/T1w/deep/head.nii.gz", 16, "head", &err), &err);
    assert_ok(mrc_write_file("set/T1w/notes.txt", "words\n", 6, &err), &err);
    assert_ok(head_save_dicom(vol, MRC_CONTRAST_T2W, "set/T2w/series", &err), &err);
    mrc_volume_destroy(vol);
    return 0;
}

static int leave(void **state) {
    (void)state;
    mrc_remove_tree(root);
    return 0;
}

static struct mrc_train_options make_options(const char *run) {
    struct mrc_train_options options = MRC_TRAIN_DEFAULTS;
    options.data.set = "set";
    options.data.allow_synthetic = true;
    options.run = run;
    options.model.generator = MRC_GENERATOR_LOCAL;
    options.model.generator_width = 4;
    options.model.discriminator_width = 4;
    options.model.size = 32;
    options.model.batch = 3;
    options.trainer.epochs = 3;
    options.keep_every = 2;
    options.sample_every = 2;
    options.name = "small";
    options.data_note = "one head";
    return options;
}

static size_t lines_of(const char *path) {
    unsigned char *text = NULL;
    size_t size = 0, lines = 0;
    struct mrc_error err = {0};
    assert_ok(mrc_read_file(&text, &size, path, 1 << 20, &err), &err);
    for (size_t i = 0; i < size; ++i) lines += text[i] == '\n';
    mrc_free(text);
    return lines;
}

static void assert_says(const char *path, const char *words) {
    unsigned char *text = NULL;
    size_t size = 0;
    struct mrc_error err = {0};
    assert_ok(mrc_read_file(&text, &size, path, 1 << 28, &err), &err);
    if (strstr((const char *)text, words) == NULL) fail_msg("%s: no \"%s\"", path, words);
    mrc_free(text);
}

static void test_run_folder_is_complete(void **state) {
    (void)state;
    static const char *const files[] = {"run/settings.json",
                                        "run/log.csv",
                                        "run/losses.png",
                                        "run/report.html",
                                        "run/checks.csv",
                                        "run/checkpoints/newest.safetensors",
                                        "run/checkpoints/best.safetensors",
                                        "run/events.out.tfevents.0.mrcycle",
                                        "run/samples/epoch_0002.png",
                                        "run/samples/epoch_0003.png",
                                        "run/checkpoints/epoch_0002.safetensors",
                                        "run/checkpoints/last.safetensors",
                                        "run/model.safetensors"};
    struct mrc_train_options options = make_options("run");
    struct mrc_error err = {0};
    assert_ok(mrc_train_run(&options, NULL, NULL, &err), &err);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; ++i)
        if (!mrc_path_exists(files[i])) fail_msg("%s is missing", files[i]);
    assert_int_equal(lines_of("run/log.csv"), 4);
    assert_says("run/report.html", "data:image/png;base64,");
    assert_says("run/report.html", "epoch_0003.png");
    assert_says("run/report.html", "discriminator_width");
    assert_says("run/report.html", "3,");

    struct mrc_checkpoint_info info = {0};
    assert_ok(mrc_checkpoint_describe(&info, "run/model.safetensors", &err), &err);
    assert_string_equal(info.name, "small");
    assert_string_equal(info.data, "one head");
    assert_int_equal(info.epoch, 3);
    assert_int_equal(info.settings.size, 32);

    assert_int_equal(mrc_train_run(&options, NULL, NULL, &err), MRC_ERR_WRITE);
    mrc_error_clear(&err);
    options.replace = true;
    options.trainer.epochs = 1;
    assert_ok(mrc_train_run(&options, NULL, NULL, &err), &err);
    assert_int_equal(lines_of("run/log.csv"), 2);
    assert_false(mrc_path_exists("run/samples/epoch_0003.png"));
}

static void test_export_gives_the_same_model(void **state) {
    (void)state;
    struct mrc_train_options options = make_options("exported");
    options.model.ema_decay = 0.9;
    options.trainer.epochs = 2;
    struct mrc_error err = {0};
    assert_ok(mrc_train_run(&options, NULL, NULL, &err), &err);
    struct mrc_export_options export = {.checkpoint = "exported",
                                        .output = "out/model.safetensors"};
    assert_ok(mrc_train_export(&export, &err), &err);
    struct mrc_checkpoint_info trained = {0}, exported = {0};
    assert_ok(mrc_checkpoint_describe(&trained, "exported/model.safetensors", &err), &err);
    assert_ok(mrc_checkpoint_describe(&exported, "out/model.safetensors", &err), &err);
    assert_string_equal(trained.hash, exported.hash);
    assert_int_equal(mrc_train_export(&export, &err), MRC_ERR_WRITE);
    mrc_error_clear(&err);
    export.output = "out/half.safetensors";
    export.half = true;
    export.name = "halved";
    assert_ok(mrc_train_export(&export, &err), &err);
    assert_ok(mrc_checkpoint_describe(&exported, "out/half.safetensors", &err), &err);
    assert_string_equal(exported.name, "halved");
    assert_string_not_equal(trained.hash, exported.hash);
    assert_int_equal(exported.finest, 0);

    /* also of a model that has been written, whose weights stay */
    export = (struct mrc_export_options){
        .checkpoint = "out/half.safetensors", .output = "out/finest.safetensors", .finest = 64};
    assert_ok(mrc_train_export(&export, &err), &err);
    assert_ok(mrc_checkpoint_describe(&trained, "out/finest.safetensors", &err), &err);
    assert_int_equal(trained.finest, 64);
    assert_string_equal(trained.hash, exported.hash);
    export.finest = 16; /* trained on 32 */
    export.replace = true;
    assert_int_equal(mrc_train_export(&export, &err), MRC_ERR_ARGUMENT);
    mrc_error_clear(&err);
}

static void test_same_seed_same_model_on_any_threads(void **state) {
    (void)state;
    struct mrc_checkpoint_info info[2] = {{.step = 0}, {.step = 0}};
    struct mrc_error err = {0};
    for (int n = 0; n < 2; ++n) {
        char run[32], path[64];
        snprintf(run, sizeof run, "threads%d", n);
        snprintf(path, sizeof path, "%s/model.safetensors", run);
        struct mrc_train_options options = make_options(run);
        options.model.channels = 3;
        options.trainer.epochs = 2;
        mrc_parallel_set_threads(n == 0 ? 1 : 3);
        assert_ok(mrc_train_run(&options, NULL, NULL, &err), &err);
        assert_ok(mrc_checkpoint_describe(&info[n], path, &err), &err);
    }
    mrc_parallel_set_threads(0);
    assert_string_equal(info[0].hash, info[1].hash);
}

struct counter {
    int steps, limit;
};

static void count_step(void *context, const struct mrc_train_progress *progress) {
    struct counter *counter = context;
    assert_true(progress->at->step == ++counter->steps);
    assert_true(progress->seconds_left >= 0.0);
}

/* Steps may be made twice. */
static void count_any(void *context, const struct mrc_train_progress *progress) {
    (void)progress;
    ++((struct counter *)context)->steps;
}

static bool cancelled_after(void *context) {
    const struct counter *counter = context;
    return counter->steps >= counter->limit;
}

static void test_interruption_saves(void **state) {
    (void)state;
    struct counter counter = {.limit = 7};
    struct mrc_events events = {.context = &counter, .cancelled = cancelled_after};
    struct mrc_train_options options = make_options("stopped");
    struct mrc_error err = {0};
    assert_int_equal(mrc_train_run(&options, &events, count_step, &err), MRC_ERR_CANCELLED);
    assert_int_equal(counter.steps, 7);
    mrc_error_clear(&err);
    struct mrc_checkpoint_info info = {0};
    assert_ok(mrc_checkpoint_describe(&info, "stopped/checkpoints/last.safetensors", &err), &err);
    assert_int_equal(info.step, 7);
    assert_false(mrc_path_exists("stopped/model.safetensors"));
}

/* A run that was stopped in the middle of an epoch and taken up again ends with the bytes of one
 * that was not, and its log has each epoch once. */
static void test_a_run_goes_on(void **state) {
    (void)state;
    struct counter counter = {.limit = 4};
    struct mrc_events events = {.context = &counter, .cancelled = cancelled_after};
    struct mrc_train_options whole = make_options("whole"), parts = make_options("parts");
    struct mrc_error err = {0};
    whole.model.ema_decay = 0.9;
    whole.model.pool_size = 5;
    whole.trainer.gamma = 1.5;
    whole.trainer.augment = (struct mrc_augmentation){
        .rotate = 10.0, .zoom = 0.1, .shift = 0.05, .resolution = 2.0, .bias = 0.3, .noise = 0.02};
    parts.model = whole.model;
    parts.trainer = whole.trainer;
    whole.trainer.epochs = parts.trainer.epochs = 3;
    assert_ok(mrc_train_run(&whole, NULL, NULL, &err), &err);
    assert_int_equal(mrc_train_run(&parts, &events, count_step, &err), MRC_ERR_CANCELLED);
    mrc_error_clear(&err);
    parts.resume = true;
    parts.data.set = "./set"; /* where the set lies may differ */
    assert_ok(mrc_train_run(&parts, NULL, NULL, &err), &err);
    const char *const files[] = {"model.safetensors", "checkpoints/last.safetensors"};
    for (int f = 0; f < 2; ++f) {
        unsigned char *text[2];
        size_t size[2];
        for (int r = 0; r < 2; ++r) {
            char path[96];
            snprintf(path, sizeof path, "%s/%s", r == 0 ? "whole" : "parts", files[f]);
            assert_ok(mrc_read_file(&text[r], &size[r], path, 1 << 28, &err), &err);
        }
        assert_int_equal(size[0], size[1]);
        assert_memory_equal(text[0], text[1], size[0]);
        mrc_free(text[0]);
        mrc_free(text[1]);
    }
    unsigned char *log = NULL;
    size_t size = 0, lines = 0;
    assert_ok(mrc_read_file(&log, &size, "parts/log.csv", 1 << 20, &err), &err);
    for (size_t i = 0; i < size; ++i) lines += log[i] == '\n';
    assert_int_equal(lines, 1 + 3);
    mrc_free(log);

    parts.trainer.gamma = 1.0;
    assert_int_equal(mrc_train_run(&parts, NULL, NULL, &err), MRC_ERR_ARGUMENT);
    mrc_error_clear(&err);
    parts.trainer.gamma = 1.5;
    parts.model.learning_rate *= 2.0;
    assert_int_equal(mrc_train_run(&parts, NULL, NULL, &err), MRC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "learning_rate"));
    mrc_error_clear(&err);
    parts.model.learning_rate /= 2.0;
    parts.model.batch += 1;
    assert_int_equal(mrc_train_run(&parts, NULL, NULL, &err), MRC_ERR_ARGUMENT);
    mrc_error_clear(&err);
    parts.model.batch -= 1;
    parts.data.min_foreground = 0.3;
    assert_int_equal(mrc_train_run(&parts, NULL, NULL, &err), MRC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "another set"));
    mrc_error_clear(&err);
    parts.data.min_foreground = whole.data.min_foreground;
    mrc_remove_tree("parts/checkpoints");
    assert_ok(mrc_make_dirs("parts/checkpoints", &err), &err);
    assert_ok(mrc_write_file("parts/checkpoints/last.safetensors", "broken", 6, &err), &err);
    assert_int_equal(mrc_train_run(&parts, NULL, NULL, &err), MRC_ERR_IO); /* not as if none were */
    mrc_error_clear(&err);
    /* killed before the first checkpoint: the whole way again */
    mrc_remove_tree("parts/checkpoints");
    assert_ok(mrc_train_run(&parts, NULL, NULL, &err), &err);
    struct mrc_checkpoint_info info[2];
    assert_ok(mrc_checkpoint_describe(&info[0], "whole/model.safetensors", &err), &err);
    assert_ok(mrc_checkpoint_describe(&info[1], "parts/model.safetensors", &err), &err);
    assert_string_equal(info[0].hash, info[1].hash);
    parts.run = "absent";
    assert_int_equal(mrc_train_run(&parts, NULL, NULL, &err), MRC_ERR_IO);
    assert_false(mrc_path_exists("absent"));
}

static void assert_same_file(const char *a, const char *b) {
    const char *const paths[2] = {a, b};
    unsigned char *text[2];
    size_t size[2];
    struct mrc_error err = {0};
    for (int i = 0; i < 2; ++i)
        assert_ok(mrc_read_file(&text[i], &size[i], paths[i], 1 << 28, &err), &err);
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(text[0], text[1], size[0]);
    mrc_free(text[0]);
    mrc_free(text[1]);
}

/* settings.json holds all that a run needs to be made again, and what it learned from. */
static void test_a_run_is_repeated(void **state) {
    (void)state;
    struct mrc_train_options once = make_options("once");
    struct mrc_train_record record;
    struct mrc_error err = {0};
    once.model.generator_f = 1 + (int64_t)MRC_GENERATOR_HYBRID;
    once.model.gan_mode = MRC_GAN_LSGAN;
    once.model.learning_rate = 1.1e-4; /* no double of few digits */
    once.model.ema_decay = 0.97;
    once.model.warm_up = 2;
    once.model.pool_size = 3;
    once.model.r1_gamma = 0.7;
    once.model.lambda_structure = 0.3;
    once.model.structure = MRC_STRUCTURE_MIND;
    once.model.diff_augment = MRC_DIFF_CONTRAST | MRC_DIFF_CUTOUT;
    once.model.init_type = MRC_INIT_XAVIER;
    once.model.init_gain = 0.7;
    once.model.seed = (1ull << 60) + 1;
    once.trainer = (struct mrc_trainer_settings)MRC_TRAINER_DEFAULTS;
    once.trainer.flip = false;
    once.trainer.gamma = 1.3;
    once.trainer.decay = 0.6;
    once.trainer.augment.rotate = 7.3;
    once.trainer.augment.noise = 0.01;
    once.trainer.epochs = 2;
    once.half = true;
    assert_ok(mrc_train_run(&once, NULL, NULL, &err), &err);
    assert_ok(mrc_train_record_read(&record, "once", &err), &err);
    assert_string_equal(record.kernel, mrc_train_kernel());
    record.options.run = "again";
    assert_ok(mrc_train_run(&record.options, NULL, NULL, &err), &err);
    assert_same_file("once/model.safetensors", "again/model.safetensors");
    assert_same_file("once/checkpoints/last.safetensors", "again/checkpoints/last.safetensors");
    assert_same_file("once/settings.json", "again/settings.json");

    record.options.run = "never";
    record.options.data.min_foreground = 0.3; /* other slices */
    assert_int_equal(mrc_train_run(&record.options, NULL, NULL, &err), MRC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "expected those of the run"));
    assert_false(mrc_path_exists("never"));
    mrc_train_record_clear(&record);
    mrc_error_clear(&err);

    static const char other[] = "{\"program\": \"mrcycle 0.0.1\", \"model\": {\"generator\": 7}}";
    assert_ok(mrc_make_dirs("older", &err), &err);
    assert_ok(mrc_write_file("older/settings.json", other, strlen(other), &err), &err);
    assert_int_equal(mrc_train_record_read(&record, "older", &err), MRC_ERR_FORMAT);
    assert_non_null(strstr(err.text, "generator is missing or out of range"));
}

/* Weights that are no numbers lead back to the last good checkpoint, and a run that was stopped and
 * goes on, before or after that, ends with the same bytes. */
static void test_no_numbers_lead_back(void **state) {
    (void)state;
    struct mrc_train_options whole = make_options("back"), parts = make_options("back_parts");
    struct mrc_error err = {0};
    struct mrc_checkpoint_info info = {0};
    whole.trainer.epochs = parts.trainer.epochs = 3;
    whole.check_every = parts.check_every = 1;
    whole.model.ema_decay = parts.model.ema_decay = 0.9;
    setenv("MRC_FAULT_STEP", "7", 1); /* steps 1 to 5 are the first epoch's */
    assert_ok(mrc_train_run(&whole, NULL, NULL, &err), &err);
    if (!mrc_path_exists("back/events.csv")) {
        print_message("built without the fault hook: nothing went wrong\n");
        return;
    }
    assert_says("back/events.csv", "back to step ");
    assert_says("back/events.csv", "rate times 0.5 (rollback 1 of 3)");
    assert_int_equal(lines_of("back/log.csv"), 1 + 3);
    assert_int_equal(lines_of("back/checks.csv"), 1 + 3);
    assert_ok(mrc_checkpoint_describe(&info, "back/checkpoints/last.safetensors", &err), &err);
    assert_int_equal(info.rollbacks, 1);
    for (int limit = 6; limit <= 8; limit += 2) {
        struct counter counter = {.limit = limit};
        struct mrc_events events = {.context = &counter, .cancelled = cancelled_after};
        parts.resume = false;
        parts.replace = true;
        assert_int_equal(mrc_train_run(&parts, &events, count_any, &err), MRC_ERR_CANCELLED);
        mrc_error_clear(&err);
        parts.resume = true;
        parts.replace = false;
        assert_ok(mrc_train_run(&parts, NULL, NULL, &err), &err);
        assert_same_file("back/checkpoints/last.safetensors",
                         "back_parts/checkpoints/last.safetensors");
        assert_same_file("back/checkpoints/newest.safetensors",
                         "back_parts/checkpoints/newest.safetensors");
        assert_same_file("back/checkpoints/best.safetensors",
                         "back_parts/checkpoints/best.safetensors");
        assert_same_file("back/checks.csv", "back_parts/checks.csv");
    }
    whole.rollbacks = 0;
    whole.replace = true;
    assert_int_equal(mrc_train_run(&whole, NULL, NULL, &err), MRC_ERR_NUMERIC);
    unsetenv("MRC_FAULT_STEP");
    assert_true(mrc_path_exists("back/checkpoints/newest.safetensors"));
}

static void assert_resumes_from(const char *checkpoint, const char *run) {
    char *path = NULL;
    struct mrc_error err = {0};
    assert_ok(mrc_model_file_find_complete(&path, run, &err), &err);
    assert_string_equal(path, checkpoint);
    mrc_free(path);
}

/* The first step after a rollback: a run killed here goes on from where it led to. */
static void look_after_rollback(void *context, const struct mrc_train_progress *progress) {
    struct counter *counter = context;
    if (counter->limit == 0 && progress->at->step < counter->steps) {
        assert_resumes_from("collapse/checkpoints/newest.safetensors", "collapse");
        counter->limit = 1;
    }
    counter->steps = (int)progress->at->step;
}

/* Generators that make the same of everything, too. No checkpoint of a check in which they did, or
 * of a stop since the last good one, is gone on from. */
static void test_collapse_leads_back(void **state) {
    (void)state;
    struct counter stop = {.limit = 12}, looked = {0};
    struct mrc_events events = {.context = &stop, .cancelled = cancelled_after};
    struct mrc_train_options options = make_options("collapse");
    struct mrc_error err = {0};
    struct mrc_checkpoint_info info = {0};
    options.trainer.epochs = 4;
    options.check_every = 1;
    setenv("MRC_FAULT_COLLAPSE", "8", 1); /* in the second epoch, whose end is a checkpoint's */
    assert_int_equal(mrc_train_run(&options, &events, count_any, &err), MRC_ERR_CANCELLED);
    mrc_error_clear(&err);
    assert_resumes_from("collapse/checkpoints/last.safetensors", "collapse");
    events = (struct mrc_events){.context = &looked};
    options.resume = true;
    enum mrc_status status = mrc_train_run(&options, &events, look_after_rollback, &err);
    unsetenv("MRC_FAULT_COLLAPSE");
    assert_ok(status, &err);
    if (!mrc_path_exists("collapse/events.csv")) {
        print_message("built without the fault hook: nothing went wrong\n");
        return;
    }
    assert_int_equal(looked.limit, 1);
    assert_says("collapse/events.csv",
                "epoch 3: the generators make the same of everything (collapse); back to step 5,");
    assert_int_equal(lines_of("collapse/log.csv"), 1 + 4);
    assert_ok(mrc_checkpoint_describe(&info, "collapse/checkpoints/last.safetensors", &err), &err);
    assert_int_equal(info.rollbacks, 1);
}

/* Pairs are of images that alone have their name and lie on one grid; a stopped run that has them
 * goes on to the same bytes. */
static void test_pairs_are_found_by_name(void **state) {
    (void)state;
    static const char *const places[] = {"pairs/T1w/one_T1w",  "pairs/T1w/two",
                                         "pairs/T1w/three_t1", "pairs/T2w/one_T2w",
                                         "pairs/T2w/four",     "pairs/T2w/three_t2"};
    struct mrc_error err = {0};
    mrc_volume *vol = make_head(0.0), *other = make_head(5.0); /* tilted: on another grid */
    for (int i = 0; i < 6; ++i) {
        assert_ok(mrc_make_dirs(places[i], &err), &err);
        assert_ok(head_save_dicom(i == 5 ? other : vol, i < 3 ? MRC_CONTRAST_T1W : MRC_CONTRAST_T2W,
                                  places[i], &err),
                  &err);
    }
    mrc_volume_destroy(other);
    mrc_volume_destroy(vol);
    struct mrc_dataset_options options = make_options("never").data;
    struct mrc_dataset dataset = {0};
    char hash[2][MRC_DATASET_HASH_TEXT];
    options.set = "pairs";
    options.contract.sample.h = options.contract.sample.w = 32;
    for (int paired = 0; paired < 2; ++paired) {
        options.paired = paired == 1;
        assert_ok(mrc_dataset_load(&dataset, &options, NULL, &err), &err);
        assert_ok(mrc_dataset_hash(hash[paired], &dataset, &err), &err);
        if (paired == 0) mrc_dataset_clear(&dataset);
    }
    assert_string_not_equal(hash[0], hash[1]);
    const struct mrc_dataset_domain *x = &dataset.domains[0], *y = &dataset.domains[1];
    assert_true(dataset.pair_count > 0);
    for (size_t p = 0; p < dataset.pair_count; ++p) {
        const struct mrc_dataset_place *a = &x->places[dataset.pairs[p][0]],
                                       *b = &y->places[dataset.pairs[p][1]];
        assert_string_equal(x->images[a->image].path, places[0]);
        assert_string_equal(y->images[b->image].path, places[3]);
        assert_int_equal(a->k, b->k);
    }
    mrc_dataset_clear(&dataset);

    struct mrc_train_options whole = make_options("pairs_whole"),
                             parts = make_options("pairs_part");
    struct counter counter = {.limit = 2};
    struct mrc_events events = {.context = &counter, .cancelled = cancelled_after};
    whole.data.set = parts.data.set = "pairs";
    whole.model.lambda_paired = parts.model.lambda_paired = 2.0;
    whole.trainer.epochs = parts.trainer.epochs = 1;
    assert_ok(mrc_train_run(&whole, NULL, NULL, &err), &err);
    assert_int_equal(mrc_train_run(&parts, &events, count_any, &err), MRC_ERR_CANCELLED);
    mrc_error_clear(&err);
    parts.resume = true;
    assert_ok(mrc_train_run(&parts, NULL, NULL, &err), &err);
    assert_same_file("pairs_whole/checkpoints/last.safetensors",
                     "pairs_part/checkpoints/last.safetensors");
    mrc_remove_tree("pairs/T2w/one_T2w");
    whole.run = "never";
    assert_int_equal(mrc_train_run(&whole, NULL, NULL, &err), MRC_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "pairs: no pairs, expected"));
}

static void test_broken_sets(void **state) {
    (void)state;
    struct mrc_error err = {0};
    struct mrc_train_options options = make_options("never");
    options.data.set = "absent";
    assert_int_equal(mrc_train_run(&options, NULL, NULL, &err), MRC_ERR_IO);
    mrc_error_clear(&err);
    assert_ok(mrc_make_dirs("half/T1w", &err), &err);
    options.data.set = "half";
    assert_int_equal(mrc_train_run(&options, NULL, NULL, &err), MRC_ERR_UNSUPPORTED);
    mrc_error_clear(&err);
    options.data.set = "set";
    options.data.allow_synthetic = false;
    options.data.min_foreground = 1.0;
    assert_int_equal(mrc_train_run(&options, NULL, NULL, &err), MRC_ERR_UNSUPPORTED);
    mrc_error_clear(&err);
    options.run = "set";
    options.replace = true;
    assert_int_equal(mrc_train_run(&options, NULL, NULL, &err), MRC_ERR_ARGUMENT);
    assert_true(mrc_path_exists("set/T1w/deep/head.nii.gz"));
    assert_false(mrc_path_exists("never"));
}

/* A series in a folder and another in the folder below it are two images. */
static void test_folders_below_folders(void **state) {
    (void)state;
    static const enum mrc_contrast contrasts[] = {MRC_CONTRAST_T1W, MRC_CONTRAST_T2W};
    static const char *const places[] = {"nested/T1w", "nested/T1w/below", "nested/T2w"};
    struct mrc_error err = {0};
    mrc_volume *vol = make_head(0.0);
    for (size_t i = 0; i < 3; ++i) {
        assert_ok(mrc_make_dirs(places[i], &err), &err);
        assert_ok(head_save_dicom(vol, contrasts[i / 2], places[i], &err), &err);
    }
    mrc_volume_destroy(vol);
    struct mrc_dataset_options options = make_options("never").data;
    options.set = "nested";
    options.allow_synthetic = true;
    options.contract.sample.h = options.contract.sample.w = 64;
    struct mrc_dataset dataset = {0};
    assert_ok(mrc_dataset_load(&dataset, &options, NULL, &err), &err);
    assert_int_equal(dataset.domains[MRC_DOMAIN_X].count, 2);
    assert_int_equal(dataset.domains[MRC_DOMAIN_X].left_out_images, 0);
    assert_int_equal(dataset.domains[MRC_DOMAIN_Y].count, 1);
    mrc_dataset_clear(&dataset);
}

/* Folders below T1w and T2w are classes; what only one contrast has is not drawn. */
static void test_classes_are_folders(void **state) {
    (void)state;
    static const char *const places[] = {"classes/T1w/glioma", "classes/T1w/healthy",
                                         "classes/T1w/stroke", "classes/T2w/glioma",
                                         "classes/T2w/healthy"};
    struct mrc_error err = {0};
    mrc_volume *vol = make_head(0.0);
    for (size_t i = 0; i < 5; ++i) {
        assert_ok(mrc_make_dirs(places[i], &err), &err);
        assert_ok(
            head_save_dicom(vol, i < 3 ? MRC_CONTRAST_T1W : MRC_CONTRAST_T2W, places[i], &err),
            &err);
    }
    mrc_volume_destroy(vol);
    struct mrc_dataset_options options = make_options("never").data;
    options.set = "classes";
    options.contract.sample.h = options.contract.sample.w = 32;
    struct mrc_dataset dataset = {0};
    static const struct {
        enum mrc_class_balance balance;
        size_t classes[2], left_out; /* images of T1w */
    } cases[] = {{MRC_BALANCE_IMAGE, {3, 2}, 0},
                 {MRC_BALANCE_CLASS, {2, 2}, 1},
                 {MRC_BALANCE_POSITION, {10, 10}, 0}};
    char hash[4][MRC_DATASET_HASH_TEXT];
    for (size_t i = 0; i < 3; ++i) {
        struct mrc_slice_source source = {.matched = false};
        options.balance = cases[i].balance;
        assert_ok(mrc_dataset_load(&dataset, &options, NULL, &err), &err);
        assert_ok(mrc_dataset_hash(hash[i], &dataset, &err), &err);
        for (int k = 0; k < 2; ++k) source.count[k] = dataset.domains[k].place_count;
        assert_ok(
            mrc_class_balance_find(&source, &dataset, cases[i].balance, "classes", NULL, &err),
            &err);
        size_t none = 0;
        for (size_t n = 0; n < source.count[0]; ++n) none += source.classes[0][n] == MRC_NO_CLASS;
        assert_int_equal(none, cases[i].left_out * source.count[0] / 3);
        for (int k = 0; k < 2; ++k) {
            assert_int_equal(source.class_count[k], cases[i].classes[k]);
            mrc_free(source.classes[k]);
        }
        assert_null(source.pair_classes); /* no pairs were asked for */
        mrc_dataset_clear(&dataset);
    }
    assert_string_equal(hash[0], hash[2]);
    assert_string_not_equal(hash[0], hash[1]); /* another class would be another set */

    struct mrc_train_options train = make_options("balanced");
    struct mrc_train_record record;
    train.data.set = "classes";
    train.data.balance = MRC_BALANCE_CLASS;
    train.trainer.epochs = 1;
    assert_ok(mrc_train_run(&train, NULL, NULL, &err), &err);
    assert_ok(mrc_train_record_read(&record, "balanced", &err), &err);
    assert_int_equal(record.options.data.balance, MRC_BALANCE_CLASS);
    mrc_train_record_clear(&record);
    mrc_remove_tree("classes/T2w/glioma");
    mrc_remove_tree("classes/T1w/healthy");
    train.run = "never";
    assert_int_equal(mrc_train_run(&train, NULL, NULL, &err), MRC_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "no class has images of both contrasts"));
}

static void test_survey(void **state) {
    (void)state;
    struct mrc_survey survey = {0};
    struct mrc_error err = {0};
    assert_false(mrc_survey_is_useful(&survey));
    assert_ok(head_save_model("set/model.safetensors", 64, 1, &err), &err);
    assert_ok(mrc_survey_add(&survey, "set", &err), &err);
    assert_int_equal(survey.images.count, 2);
    assert_int_equal(survey.checkpoint_count, 1);
    assert_true(mrc_survey_is_useful(&survey));
    struct mrc_text json = {0}, plans = {0};
    assert_ok(mrc_survey_print_json(&json, &survey, false, &err), &err);
    assert_non_null(strstr(json.data, "\"name\":\t\"brightness\""));
    assert_non_null(strstr(json.data, "head.nii.gz"));
    assert_null(strstr(json.data, "Head^Test"));
    assert_ok(mrc_survey_print_plans(&plans, &survey.checkpoints[0].info, &err), &err);
    assert_non_null(strstr(plans.data, "conv"));
    mrc_text_clear(&plans);
    mrc_text_clear(&json);
    mrc_survey_clear(&survey);
    assert_int_equal(mrc_survey_add(&survey, "absent", &err), MRC_ERR_IO);
    mrc_survey_clear(&survey);
    mrc_remove_tree("set/model.safetensors");
}

/* Sagittal slices 5 mm apart, turned about the long axis. */
static void save_thick(const char *path, double turned) {
    const double c = cos(turned), t = sin(turned);
    double index_to_ras_mm[3][4] = {{-t, 0, 5 * c, 0}, {c, 0, 5 * t, 0}, {0, -1, 0, 0}};
    struct mrc_geometry geometry;
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    assert_ok(mrc_geometry_from_ras(&geometry, index_to_ras_mm, path, &err), &err);
    assert_ok(mrc_volume_create(&vol, (struct mrc_extent){8, 8, 8}, &geometry, &err), &err);
    mrc_volume_voxels(vol)[0] = 1.0f;
    assert_ok(mrc_nifti_save(vol, path, 16, "thick", &err), &err);
    mrc_volume_destroy(vol);
}

/* What translate would refuse is not called usable, and what a run draws is not called refused. */
static void test_survey_judges_as_translate_does(void **state) {
    (void)state;
    static const struct {
        const char *path, *reason;
    } cases[] = {{"other/a_FLAIR.nii.gz", "expected T1w or T2w (--force overrides)"},
                 {"other/b_T1w.nii.gz", "oblique, an axis lies 28.6 degrees"}};
    static const unsigned char colour[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    struct mrc_survey survey = {0};
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    assert_ok(mrc_make_dirs("other/run/samples", &err), &err);
    assert_ok(head_create(&vol, "LPS", 0.0, &err), &err);
    assert_ok(mrc_nifti_save(vol, cases[0].path, 16, "head", &err), &err);
    mrc_volume_destroy(vol);
    save_thick(cases[1].path, 0.5);
    assert_ok(mrc_write_file("other/run/settings.json", "{}", 2, &err), &err);
    assert_ok(mrc_write_file("other/run/losses.png", colour, sizeof colour, &err), &err);
    assert_ok(mrc_write_file("other/run/samples/epoch_0010.png", colour, sizeof colour, &err),
              &err);
    assert_ok(mrc_write_file("other/losses.png", colour, sizeof colour, &err), &err);
    assert_ok(mrc_survey_add(&survey, "other", &err), &err);
    assert_int_equal(survey.images.count, 2);
    for (size_t i = 0; i < 2; ++i) {
        const struct mrc_image_info *image = &survey.images.items[i];
        assert_string_equal(image->path, cases[i].path);
        assert_false(image->usable);
        assert_int_equal(image->status, MRC_ERR_UNSUPPORTED);
        if (strstr(image->reason, cases[i].reason) == NULL) fail_msg("%s", image->reason);
    }
    assert_false(mrc_survey_is_useful(&survey));
    /* The picture of no run is in the way, the run's own are forgotten, its settings lie aside. */
    assert_int_equal(survey.images.refused_count, 2);
    for (size_t i = 0; i < 2; ++i) {
        const struct mrc_image_refusal *refused = &survey.images.refused[i];
        assert_string_equal(refused->path,
                            refused->aside ? "other/run/settings.json" : "other/losses.png");
    }
    assert_int_not_equal(survey.images.refused[0].aside, survey.images.refused[1].aside);
    mrc_survey_clear(&survey);
    mrc_remove_tree("other");

    /* of use, but not to every model */
    assert_ok(mrc_make_dirs("other", &err), &err);
    save_thick("other/c_T1w.nii.gz", 0.0);
    assert_ok(mrc_survey_add(&survey, "other", &err), &err);
    assert_true(survey.images.items[0].usable);
    if (strstr(survey.images.items[0].reason, "a model that knows sagittal slices") == NULL)
        fail_msg("%s", survey.images.items[0].reason);
    mrc_survey_clear(&survey);
    mrc_remove_tree("other");
}

int main(void) {
    mrc_isolate_disable(true); /* forks under ASan are slow; cli_hostile tests them */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_folder_is_complete),
        cmocka_unit_test(test_export_gives_the_same_model),
        cmocka_unit_test(test_same_seed_same_model_on_any_threads),
        cmocka_unit_test(test_interruption_saves),
        cmocka_unit_test(test_a_run_goes_on),
        cmocka_unit_test(test_a_run_is_repeated),
        cmocka_unit_test(test_no_numbers_lead_back),
        cmocka_unit_test(test_collapse_leads_back),
        cmocka_unit_test(test_pairs_are_found_by_name),
        cmocka_unit_test(test_broken_sets),
        cmocka_unit_test(test_folders_below_folders),
        cmocka_unit_test(test_classes_are_folders),
        cmocka_unit_test(test_survey),
        cmocka_unit_test(test_survey_judges_as_translate_does),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
