/* config.c: the ranges by name. */
#include "app/heads/config.h"

static const struct {
    const char *name, *words;
    double lo, hi, least, most;
    bool part;
} keys[MRC_SIM_KEYS] = {
#define MRC_SIM_SECTION(title)
#define MRC_SIM_RANGE(id, name, lo, hi, least, most, words)                                        \
    [MRC_SIM_##id##_RANGE] = {name, words, lo, hi, least, most, false},
#define MRC_SIM_PART(id, name, value, most, words)                                                 \
    [MRC_SIM_##id##_RANGE] = {name, words, value, value, 0, most, true},
    MRC_SIM_CONFIG_LIST(MRC_SIM_SECTION, MRC_SIM_RANGE, MRC_SIM_PART)
#undef MRC_SIM_RANGE
#undef MRC_SIM_PART
#undef MRC_SIM_SECTION
};

void mrc_sim_config_init(struct mrc_sim_config *config) {
    for (int k = 0; k < MRC_SIM_KEYS; ++k) {
        config->lo[k] = keys[k].lo;
        config->hi[k] = keys[k].hi;
    }
}

double mrc_sim_draw(struct mrc_rng *rng, const struct mrc_sim_config *config,
                    enum mrc_sim_key key) {
    return config->lo[key] + (config->hi[key] - config->lo[key]) * mrc_rng_uniform(rng);
}

bool mrc_sim_chance(struct mrc_rng *rng, const struct mrc_sim_config *config,
                    enum mrc_sim_key key) {
    return mrc_rng_uniform(rng) < config->lo[key];
}

int mrc_sim_choose(struct mrc_rng *rng, const struct mrc_sim_config *config, enum mrc_sim_key first,
                   int count) {
    double all = 0.0;
    for (int n = 0; n < count; ++n) all += config->lo[(int)first + n];
    double left = all * mrc_rng_uniform(rng);
    for (int n = 0; n < count; ++n) {
        left -= config->lo[(int)first + n];
        if (left < 0.0) return n;
    }
    return count - 1;
}

static void append_number(struct mrc_text *text, double x) {
    char number[24];
    mrc_print_decimal(number, sizeof number, x);
    mrc_text_appendf(text, "%s", number);
}

void mrc_sim_config_append_json(struct mrc_text *text, const struct mrc_sim_config *config) {
    for (int k = 0; k < MRC_SIM_KEYS; ++k) {
        mrc_text_appendf(text, "%s\n    \"%s\": %s", k == 0 ? "" : ",", keys[k].name,
                         keys[k].part ? "" : "[");
        append_number(text, config->lo[k]);
        if (keys[k].part) continue;
        mrc_text_appendf(text, ", ");
        append_number(text, config->hi[k]);
        mrc_text_appendf(text, "]");
    }
}
