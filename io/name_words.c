/* name_words.c: see name_words.h. From the vendors' and the field's habits: Siemens, GE, Philips,
 * Canon, United Imaging; BIDS, dcm2niix, FSL, ANTs, FreeSurfer, SPM; English, German, French,
 * Spanish, Italian, Portuguese, Dutch, Scandinavian, Polish, Turkish, Russian, Chinese, Japanese. */
#include "io/name_words.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { PLAIN = 512 };

#define NOTHING   MRC_SAYS_NOTHING
#define T1        MRC_SAYS_T1
#define T2        MRC_SAYS_T2
#define PD        MRC_SAYS_PD
#define FLAIR     MRC_SAYS_FLAIR
#define STAR      (MRC_SAYS_T2 | MRC_SAYS_STAR)
#define SWI       MRC_SAYS_SWI
#define AGENT     MRC_SAYS_AGENT
#define NO_AGENT  MRC_SAYS_NO_AGENT
#define MAYBE     MRC_SAYS_MAYBE_AGENT
#define MAP       MRC_SAYS_MAP
#define PART      MRC_SAYS_PART
#define SCOUT     MRC_SAYS_SCOUT
#define WEIGHTING MRC_SAYS_WEIGHTING
#define COMPUTED  MRC_SAYS_COMPUTED
#define LABELS    MRC_SAYS_LABELS
#define SERIES    MRC_NAME_OF_SERIES
#define FILES     MRC_NAME_OF_FILE

const struct mrc_name_word mrc_name_words[] = {
    /* weightings we know */
    {" t1 ", T1, 0},
    {"mprage", T1, 0},
    {" mp rage", T1, 0},
    {"bravo ", T1, 0},
    {"spgr", T1, 0},
    {" vibe", T1, 0},
    {" tfl.3d", T1, 0},
    {" ethrive", T1, 0},
    {" thrive", T1, 0},
    {" t2 ", T2, 0},
    {" pd ", PD, 0},
    {" pdw ", PD, 0},
    {" pdwi ", PD, 0},
    {" proton density", PD, 0},
    {" protonendichte", PD, 0},
    {" densite de proton", PD, 0},
    {" dp ", PD, SERIES},
    {"flair", FLAIR, 0},
    {" dark fluid", FLAIR, 0},
    {"darkfluid", FLAIR, 0},
    {" da fl ", FLAIR, 0},
    {" dafl ", FLAIR, 0},
    {"tirm", FLAIR, 0},
    {" spcir", FLAIR, 0},
    {" t2.f ", FLAIR, 0},
    {" t2 star", STAR, 0},
    {" t2star", STAR, 0},
    {" star ", MRC_SAYS_STAR, FILES},
    {" star vibe", T1, 0},
    {" starvibe", T1, 0},
    {" medic ", STAR, 0},
    {" hemo ", STAR, 0},
    {" haemo ", STAR, 0},
    {" me.2d.1.r", STAR, 0},
    {" merge ", STAR, SERIES},
    {" mffe ", STAR, 0},
    {" swi", SWI, 0},
    {" swan", SWI, 0},
    {" swip", SWI, 0},
    {"venobold", SWI, 0},
    {" suscept", SWI, 0},

    /* contrast agent given */
    {" + c ", AGENT, 0},
    {" c + ", AGENT, 0},
    {" + gd", AGENT, 0},
    {" gd + ", AGENT, 0},
    {" + km ", AGENT, 0},
    {" gd ", AGENT, 0},
    {" gad ", AGENT, 0},
    {" gado", AGENT, 0},
    {" gadavist", AGENT, 0},
    {" ce ", AGENT, 0},
    {" cemra", AGENT | WEIGHTING, 0},
    {" cet.1", AGENT | T1, 0},
    {" t1.c ", T1 | AGENT, 0},
    {" t1.k ", T1 | AGENT, 0},
    {" post ", AGENT, 0},
    {" postc ", AGENT, 0},
    {" postce", AGENT, 0},
    {" postgd", AGENT, 0},
    {" postgad", AGENT, 0},
    {" postcon", AGENT, 0},
    {" postkm", AGENT, 0},
    {" postkontrast", AGENT, 0},
    {" postinj", AGENT, 0},
    {" poscontraste", AGENT, 0},
    {" pos contraste", AGENT, 0},
    {" pos gd", AGENT, 0},
    {" pos gado", AGENT, 0},
    {" km ", AGENT, 0},
    {" nkm ", AGENT, 0},
    {" kl ", AGENT, SERIES},
    {"kontrast", AGENT, 0},
    {"contrast", AGENT, 0},
    {" contr ", AGENT, 0},
    {" cont ", MAYBE, SERIES},
    {"contraste", AGENT, 0},
    {"contrasto", AGENT, 0},
    {" mdc ", AGENT, 0},
    {" enhanced", AGENT, 0},
    {" enh ", AGENT, 0},
    {" enhancement", AGENT, 0},
    {" injecte", AGENT, 0},
    {" injection", AGENT, 0},
    {" injected", AGENT, 0},
    {" inyec", AGENT, 0},
    {" w contrast", AGENT, 0},
    {" wcontrast", AGENT, 0},
    {" with contrast", AGENT, 0},
    {" with gd", AGENT, 0},
    {" w gd", AGENT, 0},
    {" w gad", AGENT, 0},
    {" c contraste", AGENT, 0},
    {" c gd ", AGENT, 0},
    {" c gado", AGENT, 0},
    {" con contraste", AGENT, 0},
    {" com contraste", AGENT, 0},
    {" con mdc ", AGENT, 0},
    {" dopo mdc ", AGENT, 0},
    {" avec contraste", AGENT, 0},
    {" avec gado", AGENT, 0},
    {" avec injection", AGENT, 0},
    {" apres injection", AGENT, 0},
    {" apres gado", AGENT, 0},
    {" mit km ", AGENT, 0},
    {" nach km ", AGENT, 0},
    {" n km ", AGENT, 0},
    {" m km ", AGENT, 0},
    {" post km ", AGENT, 0},
    {" nach kontrast", AGENT, 0},
    {" mit kontrast", AGENT, 0},
    {" met contrast", AGENT, 0},
    {" na contrast", AGENT, 0},
    {" med kontrast", AGENT, 0},
    {" efter kontrast", AGENT, 0},
    {" po kontra", AGENT, 0},
    {" po kl ", AGENT, 0},
    {" kontrastli", AGENT, 0},
    {"контраст", AGENT, 0},
    {" с контраст", AGENT, 0},
    {"造影", AGENT, 0},
    {"增强", AGENT, 0},
    {"强化", AGENT, 0},
    {"조영", AGENT, 0},
    /* its names */
    {"gadovist", AGENT, 0},
    {"dotarem", AGENT, 0},
    {"clariscan", AGENT, 0},
    {"magnevist", AGENT, 0},
    {"multihance", AGENT, 0},
    {"omniscan", AGENT, 0},
    {"prohance", AGENT, 0},
    {"primovist", AGENT, 0},
    {"eovist", AGENT, 0},
    {"optimark", AGENT, 0},
    {"elucirem", AGENT, 0},
    {"vueway", AGENT, 0},
    {"ablavar", AGENT, 0},
    {"vasovist", AGENT, 0},
    {"magnegita", AGENT, 0},
    {"dotagraf", AGENT, 0},
    {"artirem", AGENT, 0},
    {"cyclolux", AGENT, 0},
    {"pixxoscan", AGENT, 0},
    {"feraheme", AGENT, 0},
    {"ferumoxytol", AGENT, 0},
    {"gadolinium", AGENT, 0},
    /* not given */
    {" pre ", NO_AGENT, 0},
    {" precontrast", NO_AGENT, 0},
    {" prekontrast", NO_AGENT, 0},
    {" pre contrast", NO_AGENT, 0},
    {" pre kontrast", NO_AGENT, 0},
    {" pre gd", NO_AGENT, 0},
    {" pre gad", NO_AGENT, 0},
    {" pregd", NO_AGENT, 0},
    {" pregad", NO_AGENT, 0},
    {" pre km ", NO_AGENT, 0},
    {" pre c ", NO_AGENT, 0},
    {" pre injection", NO_AGENT, 0},
    {" noce ", NO_AGENT, 0},
    {" t1.n ", T1 | NO_AGENT, 0},
    {" native ", NO_AGENT, 0},
    {" nativ ", NO_AGENT, 0},
    {" nativa ", NO_AGENT, 0},
    {" nativo ", NO_AGENT, 0},
    {" noncontrast", NO_AGENT, 0},
    {" non contrast", NO_AGENT, 0},
    {" nonce ", NO_AGENT, 0},
    {" non ce ", NO_AGENT, 0},
    {" nc ", NO_AGENT, SERIES},
    {" unenhanced", NO_AGENT, 0},
    {" non enhanced", NO_AGENT, 0},
    {" nonenhanced", NO_AGENT, 0},
    {" no contrast", NO_AGENT, 0},
    {" nocontrast", NO_AGENT, 0},
    {" no gd", NO_AGENT, 0},
    {" no gad", NO_AGENT, 0},
    {" no iv ", NO_AGENT, SERIES},
    {" w o contrast", NO_AGENT, 0},
    {" w o c ", NO_AGENT, 0},
    {" w o iv ", NO_AGENT, 0},
    {" w o gd", NO_AGENT, 0},
    {" w o gad", NO_AGENT, 0},
    {" w o ", NO_AGENT, SERIES},
    {" wo ", NO_AGENT, SERIES},
    {" wo contrast", NO_AGENT, 0},
    {" wo gd", NO_AGENT, 0},
    {" wo gad", NO_AGENT, 0},
    {" wocontrast", NO_AGENT, 0},
    {" without contrast", NO_AGENT, 0},
    {" without gad", NO_AGENT, 0},
    {" without gd", NO_AGENT, 0},
    {" without iv contrast", NO_AGENT, 0},
    {" before contrast", NO_AGENT, 0},
    {" before gad", NO_AGENT, 0},
    {" ohne km ", NO_AGENT, 0},
    {" o km ", NO_AGENT, 0},
    {" vor km ", NO_AGENT, 0},
    {" v km ", NO_AGENT, 0},
    {" ohne kontrast", NO_AGENT, 0},
    {" vor kontrast", NO_AGENT, 0},
    {" sans contraste", NO_AGENT, 0},
    {" sans gado", NO_AGENT, 0},
    {" sans injection", NO_AGENT, 0},
    {" sans iv ", NO_AGENT, 0},
    {" sans inj", NO_AGENT, 0},
    {" non injecte", NO_AGENT, 0},
    {" avant injection", NO_AGENT, 0},
    {" avant gado", NO_AGENT, 0},
    {" sin contraste", NO_AGENT, 0},
    {" sin gado", NO_AGENT, 0},
    {" sin gd", NO_AGENT, 0},
    {" sem contraste", NO_AGENT, 0},
    {" s contraste", NO_AGENT, 0},
    {" pre contraste", NO_AGENT, 0},
    {" sem gado", NO_AGENT, 0},
    {" senza mdc ", NO_AGENT, 0},
    {" senza contrasto", NO_AGENT, 0},
    {" pre mdc ", NO_AGENT, 0},
    {" basale ", NO_AGENT, 0},
    {" zonder contrast", NO_AGENT, 0},
    {" voor contrast", NO_AGENT, 0},
    {" blanco ", NO_AGENT, SERIES},
    {" utan kontrast", NO_AGENT, 0},
    {" uden kontrast", NO_AGENT, 0},
    {" uten kontrast", NO_AGENT, 0},
    {" bez kontra", NO_AGENT, 0},
    {" przed kontra", NO_AGENT, 0},
    {" kontrastsiz", NO_AGENT, 0},
    {" без контраст", NO_AGENT, 0},
    {"平扫", NO_AGENT, 0},
    {"単純", NO_AGENT, 0},
    {"非造影", NO_AGENT, 0},
    {"造影前", NO_AGENT, 0},
    {"造影なし", NO_AGENT, 0},
    /* who knows */
    {" inj ", MAYBE, 0},
    {" iv ", MAYBE, SERIES},
    {" pg ", MAYBE, SERIES},
    {" pc ", MAYBE, SERIES},
    {" c ", MAYBE, SERIES},
    {" delayed ", MAYBE, SERIES},
    {" dopo ", MAYBE, SERIES},
    {" w wo ", MAYBE, 0},
    {" w w o ", MAYBE, 0},
    {" wwo ", MAYBE, 0},
    {" w wo contrast", MAYBE, 0},
    {" w w o contrast", MAYBE, 0},
    {" with and without", MAYBE, 0},
    {" with without", MAYBE, 0},
    {" w and wo ", MAYBE, 0},
    {" pre post", MAYBE, 0},
    {" pre and post", MAYBE, 0},
    /* no agent at all */
    {" post op", NOTHING, 0},
    {" postop", NOTHING, 0},
    {" pre op", NOTHING, 0},
    {" preop", NOTHING, 0},
    {" post fossa", NOTHING, 0},
    {" post process", COMPUTED, 0},
    {" postprocess", COMPUTED, 0},
    {" post rt ", NOTHING, 0},
    {" post treatment", NOTHING, 0},
    {" post mortem", NOTHING, 0},
    {" post surg", NOTHING, 0},
    {" post trauma", NOTHING, 0},
    {" edge enhanced", NOTHING, 0},
    {" c spine", NOTHING, 0},
    {" t c ", NOTHING, 0},
    {" high contrast", NOTHING, 0},
    {" tissue contrast", NOTHING, 0},
    {" gray white contrast", NOTHING, 0},
    {" iv ventric", NOTHING, 0},

    /* maps, and what maps are made of */
    {" map ", MAP, 0},
    {" t1 map", MAP, 0},
    {" t2 map", MAP, 0},
    {" t2 star map", MAP, 0},
    {" maps ", MAP, 0},
    {" mapping", MAP, 0},
    {" mapit", MAP, 0},
    {" mappa ", MAP, 0},
    {" mapa ", MAP, 0},
    {" karte ", MAP, 0},
    {" carte ", MAP, 0},
    {" cartographie", MAP, 0},
    {"parametric", MAP, 0},
    {"relaxometry", MAP, 0},
    {"relaxometrie", MAP, 0},
    {" mp.2.rage", MAP, 0},
    {" mp 2 rage", MAP, 0},
    {" inv 1 ", MAP, 0},
    {" inv 2 ", MAP, 0},
    {" uni ", MAP, 0},
    {" uni den", MAP, 0},
    {" unit.1 ", MAP, FILES},
    {" t1.rho", MAP, 0},
    {" t1 rho", MAP, 0},
    {" r1 ", MAP, 0},
    {" r2 ", MAP, 0},
    {" r2 star", MAP, 0},
    {" m0 ", MAP, 0},
    {" s0 ", MAP, 0},
    {" b0 ", MAP, 0},
    {" b1 ", MAP, 0},
    {" tb.1.map", MAP, 0},
    {" field map", MAP, 0},
    {"fieldmap", MAP, 0},
    {" fmap", MAP, 0},
    {" feldkarte", MAP, 0},
    {" fm.2d", MAP, SERIES},
    {" shim", MAP, 0},
    {" shimming", MAP, 0},
    {" magic ", MAP, 0},
    {" compmagic", MAP, 0},
    {"symri", MAP, 0},
    {" mdme ", MAP, 0},
    {" synt", COMPUTED, 0},
    {"synthetic", COMPUTED, 0},
    {" syn t1 ", COMPUTED, 0},
    {" syn t2 ", COMPUTED, 0},
    {" qalas", MAP, 0},
    {" mrf ", MAP, 0},
    {"fingerprint", MAP, 0},
    {" despot", MAP, 0},
    {" vfa ", MAP, 0},
    {"molli", MAP, 0},
    {" sasha ", MAP, 0},
    {" qsm", MAP, 0},
    {" qmap", MAP, 0},
    {" qmri ", MAP, 0},
    {" qt.1 ", MAP, 0},
    {" qt.2 ", MAP, 0},
    {" mpm ", MAP, 0},
    {" mwf ", MAP, 0},
    {" mwi ", MAP, 0},
    {" mtr ", MAP, 0},
    {" mtsat", MAP, 0},
    {" mtrmap", MAP, 0},
    {" mese ", MAP, 0},
    {" megre ", MAP, 0},
    {" irt.1 ", MAP, 0},
    {" t2 multi echo", MAP, 0},
    {" te map", MAP, 0},
    {" elasto", MAP, 0},
    {" mre ", MAP, 0},
    {" thermo", MAP, 0},
    /* parts of complex images */
    {" phase ", PART, 0},
    {" phases ", PART, 0},
    {" phasemap", PART, 0},
    {" phasediff", PART, 0},
    {" pha ", PART, 0},
    {" ph ", PART, FILES},
    {" phas ", PART, 0},
    {" phasen", PART, 0},
    {" fase ", PART, 0},
    {" faz ", PART, 0},
    {" real ", PART, 0},
    {" imag ", PART, 0},
    {" imaginary", PART, 0},
    {" imaginaer", PART, 0},
    {" complex ", PART, 0},
    {" in phase ", NOTHING, 0},
    {" inphase ", NOTHING, 0},
    {" real time", SCOUT, 0},
    {" realtime", SCOUT, 0},
    /* scouts, calibrations, documents */
    {"scout", SCOUT, 0},
    {"localizer", SCOUT, 0},
    {"localiser", SCOUT, 0},
    {"localis", SCOUT, 0},
    {"localiz", SCOUT, 0},
    {"lokalis", SCOUT, 0},
    {"lokaliz", SCOUT, 0},
    {" loc ", SCOUT, 0},
    {" locs ", SCOUT, 0},
    {" pl loc", SCOUT, 0},
    {"survey", SCOUT, 0},
    {" surv ", SCOUT, 0},
    {" 3 plane", SCOUT, 0},
    {" 3 plan ", SCOUT, 0},
    {" 3 pl ", SCOUT, 0},
    {" 3plane", SCOUT, 0},
    {" three plane", SCOUT, 0},
    {" tri plan", SCOUT, 0},
    {" triplan", SCOUT, 0},
    {"planscan", SCOUT, 0},
    {" plan scan", SCOUT, 0},
    {"smartbrain", SCOUT, 0},
    {" smart brain", SCOUT, 0},
    {" smart ", SCOUT, SERIES},
    {" aahead", SCOUT, 0},
    {" autoalign", SCOUT, 0},
    {" auto align", SCOUT, 0},
    {" pilot ", SCOUT, SERIES},
    {"scanogram", SCOUT, 0},
    {"topogram", SCOUT, 0},
    {" reperage", SCOUT, 0},
    {" repere", SCOUT, 0},
    {" ubersicht", SCOUT, 0},
    {" uebersicht", SCOUT, 0},
    {"calibration", SCOUT, 0},
    {" calib ", SCOUT, 0},
    {" cal ", SCOUT, SERIES},
    {" asset cal", SCOUT, 0},
    {" refscan", SCOUT, 0},
    {" ref scan", SCOUT, 0},
    {" ref ", SCOUT, SERIES},
    {" sense ref", SCOUT, 0},
    {" coil survey", SCOUT, 0},
    {" coil sens", SCOUT, 0},
    {" prescan ", SCOUT, 0},
    {" prescan norm", NOTHING, 0},
    {" pre scan ", SCOUT, 0},
    {" sbref", SCOUT, 0},
    {"screenshot", SCOUT, 0},
    {" screen save", SCOUT, 0},
    {" screensave", SCOUT, 0},
    {" secondary capture", SCOUT, 0},
    {" key image", SCOUT, 0},
    {" phoenixzip", SCOUT, 0},
    {" report ", SCOUT, 0},
    {" noise ", SCOUT, SERIES},
    {"定位", SCOUT, 0},
    {"位置決め", SCOUT, 0},
    /* other weightings */
    {"stir", WEIGHTING, 0},
    {" stirling", NOTHING, 0},
    {" dir ", WEIGHTING, SERIES},
    {" dir ap ", NOTHING, 0},
    {" dir pa ", NOTHING, 0},
    {" double inversion", WEIGHTING, 0},
    {" double ir ", WEIGHTING, 0},
    {"psir", WEIGHTING, 0},
    {" phase sensitive", WEIGHTING, 0},
    {"fgatir", WEIGHTING, 0},
    {" wair ", WEIGHTING, 0},
    {" wmn", WEIGHTING, 0},
    {" white matter null", WEIGHTING, 0},
    {" gmn ", WEIGHTING, 0},
    {" csfn", WEIGHTING, 0},
    {" tri inversion", WEIGHTING, 0},
    {" dwi", WEIGHTING, 0},
    {" dti", WEIGHTING, 0},
    {" dki ", WEIGHTING, 0},
    {" diff", WEIGHTING, 0},
    {"diffusion", WEIGHTING, 0},
    {" resolve ", WEIGHTING, 0},
    {" tensor", WEIGHTING, 0},
    {" hardi", WEIGHTING, 0},
    {" noddi", WEIGHTING, 0},
    {" dsi ", WEIGHTING, 0},
    {" adc", MAP, 0},
    {" eadc", MAP, 0},
    {" dadc", MAP, 0},
    {" fa ", MAP, 0},
    {" fa #", NOTHING, 0},
    {" colfa", MAP, 0},
    {" fractional", MAP, 0},
    {" trace", WEIGHTING, 0},
    {" isotropic diff", WEIGHTING, 0},
    {" b.#", WEIGHTING, 0},
    {" b #", WEIGHTING, SERIES},
    {" bvalue", WEIGHTING, 0},
    {" epi ", WEIGHTING, 0},
    {" ep.2d", WEIGHTING, 0},
    {" epfid", WEIGHTING, 0},
    {" epse", WEIGHTING, 0},
    {" bold", WEIGHTING, 0},
    {" fmri", WEIGHTING, 0},
    {" rsfmri", WEIGHTING, 0},
    {" resting", WEIGHTING, 0},
    {" perf", WEIGHTING, 0},
    {"perfusion", WEIGHTING, 0},
    {" asl", WEIGHTING, 0},
    {" pasl", WEIGHTING, 0},
    {" pcasl", WEIGHTING, 0},
    {" casl", WEIGHTING, 0},
    {" cbf ", MAP, 0},
    {" cbv ", MAP, 0},
    {" rcbf", MAP, 0},
    {" rcbv", MAP, 0},
    {" relcbf", MAP, 0},
    {" relcbv", MAP, 0},
    {" relmtt", MAP, 0},
    {" mtt ", MAP, 0},
    {" ttp ", MAP, 0},
    {" tmax ", MAP, 0},
    {" pbp ", MAP, 0},
    {" gbp ", MAP, 0},
    {" ktrans", MAP, 0},
    {" dsc ", WEIGHTING, 0},
    {" dce", WEIGHTING, 0},
    {" dyn ", WEIGHTING, 0},
    {"dynamic", WEIGHTING, 0},
    {"dynamique", WEIGHTING, 0},
    {"dynamisch", WEIGHTING, 0},
    {"dinamic", WEIGHTING, 0},
    {" dyna", WEIGHTING, 0},
    {" twist ", WEIGHTING, 0},
    {" tricks ", WEIGHTING, 0},
    {" tof", WEIGHTING, 0},
    {" time of flight", WEIGHTING, 0},
    {" fl.3d.tof", WEIGHTING, 0},
    {" mra", WEIGHTING, 0},
    {" mrv", WEIGHTING, 0},
    {"angio", WEIGHTING, 0},
    {" inhance", WEIGHTING, 0},
    {" pca ", WEIGHTING, 0},
    {" phase contrast", WEIGHTING, 0},
    {" flow", WEIGHTING, 0},
    {" flow comp", NOTHING, 0},
    {" flowcomp", NOTHING, 0},
    {" venc", WEIGHTING, 0},
    {" venogra", WEIGHTING, 0},
    {" venous", WEIGHTING, 0},
    {" mrcp", WEIGHTING, 0},
    {" ciss", WEIGHTING, 0},
    {"fiesta", WEIGHTING, 0},
    {"trufi", WEIGHTING, 0},
    {"truefisp", WEIGHTING, 0},
    {" true fisp", WEIGHTING, 0},
    {" bssfp", WEIGHTING, 0},
    {" ssfp", WEIGHTING, 0},
    {" bffe", WEIGHTING, 0},
    {" balanced", WEIGHTING, 0},
    {" b ffe", WEIGHTING, 0},
    {" psif", WEIGHTING, 0},
    {" dess ", WEIGHTING, 0},
    {" mt ", WEIGHTING, 0},
    {" mtc ", WEIGHTING, 0},
    {" mton", WEIGHTING, 0},
    {" mtoff", WEIGHTING, 0},
    {" mtw ", WEIGHTING, 0},
    {" magnetization transfer", WEIGHTING, 0},
    {" ihmt", WEIGHTING, 0},
    {" cest", WEIGHTING, 0},
    {" apt ", WEIGHTING, 0},
    {" aptw", WEIGHTING, 0},
    {" ute ", WEIGHTING, 0},
    {" zte ", WEIGHTING, 0},
    {" petra ", WEIGHTING, 0},
    {"neuromelanin", WEIGHTING, 0},
    {" mrs ", WEIGHTING, 0},
    {" mrsi", WEIGHTING, 0},
    {" csi ", WEIGHTING, 0},
    {" svs ", WEIGHTING, 0},
    {"spectro", WEIGHTING, 0},
    {" fat ", WEIGHTING, 0},
    {" fat sat", NOTHING, 0},
    {" fat sup", NOTHING, 0},
    {" fat supp", NOTHING, 0},
    {" fatsat", NOTHING, 0},
    {" fat saturation", NOTHING, 0},
    {" fat suppression", NOTHING, 0},
    {" no fat sat", NOTHING, 0},
    {" fett ", WEIGHTING, 0},
    {" fat only", WEIGHTING, 0},
    {" fatfrac", MAP, 0},
    {" fat fraction", MAP, 0},
    {" out of phase ", WEIGHTING, 0},
    {" out phase ", WEIGHTING, 0},
    {" outphase ", WEIGHTING, 0},
    {" opp phase ", WEIGHTING, 0},
    {" opposed phase ", WEIGHTING, 0},
    {" opposed", WEIGHTING, 0},
    {" opp ", WEIGHTING, SERIES},
    {" silicone ", WEIGHTING, 0},
    {" pdt.2 ", WEIGHTING, 0},
    /* computed from images */
    {" mip ", COMPUTED, 0},
    {" mips ", COMPUTED, 0},
    {" minip", COMPUTED, 0},
    {" min ip ", COMPUTED, 0},
    {" mnip", COMPUTED, 0},
    {" mpip", COMPUTED, 0},
    {" projection", COMPUTED, 0},
    {" projektion", COMPUTED, 0},
    {" vrt ", COMPUTED, 0},
    {" vr ", COMPUTED, SERIES},
    {" rendering", COMPUTED, 0},
    {" sub ", COMPUTED, SERIES},
    {" sub #", NOTHING, 0},
    {" subs ", COMPUTED, 0},
    {" subt ", COMPUTED, 0},
    {"subtract", COMPUTED, 0},
    {"subtrakt", COMPUTED, 0},
    {"soustr", COMPUTED, 0},
    {" sustrac", COMPUTED, 0},
    {" sottra", COMPUTED, 0},
    {" differen", COMPUTED, 0},
    {" minus", COMPUTED, 0},
    {" fusion", COMPUTED, 0},
    {" fused", COMPUTED, 0},
    {" overlay", COMPUTED, 0},
    {" colour", COMPUTED, 0},
    {" color", COMPUTED, 0},
    {" mpr range", COMPUTED, 0},
    {" mpr curved", COMPUTED, 0},
    {" curved", COMPUTED, 0},
    {" processed", COMPUTED, SERIES},
    {" jac ", COMPUTED, FILES},
    {"jacobian", COMPUTED, FILES},
    {" warp ", COMPUTED, FILES},
    {" warpcoef", COMPUTED, FILES},
    {" warpfield", COMPUTED, FILES},
    {" inversewarp", COMPUTED, FILES},
    {" bias ", COMPUTED, FILES},
    {" biasfield", COMPUTED, FILES},
    {" bias corr", NOTHING, 0},
    {" zstat", COMPUTED, FILES},
    {" tstat", COMPUTED, FILES},
    {" cope ", COMPUTED, FILES},
    {" thickness", COMPUTED, FILES},
    {" corticalthickness", COMPUTED, FILES},
    {" stddev", COMPUTED, 0},
    /* masks, labels, tissues */
    {" mask ", LABELS, 0},
    {" masks ", LABELS, 0},
    {"mask ", LABELS, FILES},
    {" seg ", LABELS, 0},
    {" segm ", LABELS, 0},
    {" dseg ", LABELS, 0},
    {"segmentation", LABELS, 0},
    {" segmented", LABELS, 0},
    {" synthseg", LABELS, 0},
    {" probseg", LABELS, 0},
    {" label ", LABELS, 0},
    {" labels ", LABELS, 0},
    {" labelled", LABELS, 0},
    {" labelmap", LABELS, 0},
    {" parcellation", LABELS, 0},
    {" parc ", LABELS, FILES},
    {" prob ", LABELS, FILES},
    {" probs ", LABELS, FILES},
    {" probability", LABELS, 0},
    {" pve ", LABELS, 0},
    {" pveseg", LABELS, 0},
    {" mixeltype", LABELS, 0},
    {"posteriors", LABELS, 0},
    {" prior ", LABELS, FILES},
    {" priors ", LABELS, FILES},
    {" tpm ", LABELS, FILES},
    {" aseg ", LABELS, 0},
    {" aparc", LABELS, 0},
    {" wmparc", LABELS, 0},
    {" ribbon ", LABELS, 0},
    {" roi ", LABELS, 0},
    {" rois ", LABELS, 0},
    {" wm ", LABELS, FILES},
    {" gm ", LABELS, FILES},
    {" csf ", LABELS, FILES},
    {" groundtruth", LABELS, 0},
    {" annotation", LABELS, 0},
    {" origsegs", LABELS, FILES},
    {" firstseg", LABELS, FILES},
    {" skull ", LABELS, FILES},
    {" with skull", NOTHING, FILES},
    {" no skull", NOTHING, FILES},
    {" skull strip", NOTHING, FILES},
    {" outskin", LABELS, FILES},
    {" maske ", LABELS, 0},
    {" masque ", LABELS, 0},
    {" mascara ", LABELS, 0},
    {" maschera ", LABELS, 0},
};
const size_t mrc_name_word_count = sizeof mrc_name_words / sizeof mrc_name_words[0];

/* --- a name as patterns see it --- */

/* Letters of Latin-1 (U+00C0 …) without their accents; '?' where there is no such letter. */
static const char latin[] = "aaaaaaaceeeeiiiidnooooo?ouuuuyps"
                            "aaaaaaaceeeeiiiidnooooo?ouuuuypy";

/* A name in pieces that grow. */
struct plain {
    char *text;
    size_t size, capacity;
};

static void put(struct plain *p, char c) {
    if (p->size + 1 < p->capacity) p->text[p->size++] = c;
}

/* A boundary; none twice. */
static void put_boundary(struct plain *p, char c) {
    char last = p->size > 0 ? p->text[p->size - 1] : '\0';
    if (last == '.' && c == ' ') p->text[p->size - 1] = ' ';
    if (last != '.' && last != ' ') put(p, c);
}

/* Lower case and without accents, in UTF-8 or Latin-1; other letters beyond ASCII stay as they are.
 * Returns the length. */
static size_t fold(unsigned char *out, size_t capacity, const char *name) {
    const unsigned char *at = (const unsigned char *)name;
    size_t size = 0;
    while (*at != '\0' && size + 2 < capacity) {
        bool follows = (at[1] & 0xC0) == 0x80;
        if (*at < 0x80) {
            out[size++] = (unsigned char)tolower(*at++);
        } else if (*at == 0xC3 && follows) { /* U+00C0 … U+00FF */
            out[size++] = (unsigned char)latin[at[1] & 0x3F];
            at += 2;
        } else if (*at == 0xD0 && follows && at[1] >= 0x90 && at[1] <= 0xAF) { /* Cyrillic */
            out[size++] = at[1] < 0xA0 ? 0xD0 : 0xD1;
            out[size++] = at[1] < 0xA0 ? at[1] + 0x20 : at[1] - 0x20;
            at += 2;
        } else if (*at >= 0xC0 && !follows) { /* Latin-1 */
            out[size++] = (unsigned char)latin[*at++ & 0x3F];
        } else {
            out[size++] = *at++;
        }
    }
    out[size] = '\0';
    return size;
}

static bool is_letter(unsigned char c) {
    return isalpha(c) || c >= 0x80;
}

static bool is_word(unsigned char c) {
    return isalnum(c) || c >= 0x80;
}

/* "T1", "B0": a letter and a single digit. */
static bool is_short_name(const unsigned char *at) {
    return isalpha(at[0]) && isdigit(at[1]) && !isdigit(at[2]);
}

/* Behind T1 and T2 the "w" or "wi" of weighted is passed over. */
static size_t weighted(const unsigned char *at) {
    if (at[0] != 't' || (at[1] != '1' && at[1] != '2') || at[2] != 'w') return 0;
    return at[3] == 'i' && !is_letter(at[4]) ? 2 : 1;
}

/* Technicians write "AXT1": how long a run of letters is until such a T1 or T2, or to its end. */
static size_t letters(const unsigned char *at) {
    static const char *const before[] = {"ax",  "tra",  "trans", "sag", "cor", "obl", "tse",
                                         "fse", "se",   "fs",    "gre", "iso", "pre", "brain",
                                         "std", "kopf", "head",  "wip", NULL};
    size_t length = 0;
    while (is_letter(at[length])) ++length;
    if (length < 3 || at[length - 1] != 't' || (at[length] != '1' && at[length] != '2') ||
        isdigit(at[length + 1]))
        return length;
    for (const char *const *b = before; *b != NULL; ++b)
        if (strlen(*b) == length - 1 && memcmp(at, *b, length - 1) == 0) return length - 1;
    return length;
}

static size_t digits(const unsigned char *at) {
    size_t length = strspn((const char *)at, "0123456789");
    return length == 1 && (at[0] == '2' || at[0] == '3') && at[1] == 'd' ? 2 : length;
}

/* A run of letters and digits, cut where they meet. A leading 's' or 'e' of vendors ("sT1W") is
 * skipped. Returns its end. */
static const unsigned char *put_run(struct plain *p, const unsigned char *at) {
    put_boundary(p, ' ');
    if ((*at == 's' || *at == 'e') && at[1] == 't' && (at[2] == '1' || at[2] == '2') &&
        !isdigit(at[3]))
        ++at;
    while (is_word(*at)) {
        size_t length = is_short_name(at) ? 2 : isdigit(*at) ? digits(at) : letters(at);
        for (size_t i = 0; i < length; ++i) put(p, (char)at[i]);
        at += length + (is_short_name(at) ? weighted(at) : 0);
        put_boundary(p, '.');
    }
    return at;
}

/* "C-" and "GD -": how French and Spanish hospitals say that none was given. */
static bool is_without(const struct plain *p, const unsigned char *at) {
    bool alone = p->size >= 3 && memcmp(p->text + p->size - 3, " c.", 3) == 0;
    return *at == '-' && alone && !is_word(at[1]) && at[1] != '+';
}

void mrc_name_plain(char *out, size_t capacity, const char *name) {
    unsigned char folded[PLAIN];
    struct plain p = {.text = out, .capacity = capacity};
    (void)fold(folded, sizeof folded - 4, name);
    memset(folded + strlen((const char *)folded), 0, 4);
    put(&p, ' ');
    for (const unsigned char *at = folded; *at != '\0';) {
        if (is_word(*at)) {
            at = put_run(&p, at);
            continue;
        }
        if (*at == '*' && at > folded && is_word(at[-1])) {
            for (const char *c = "star"; *c != '\0'; ++c) put(&p, *c);
        } else if (is_without(&p, at)) {
            p.size -= 2;
            for (const char *c = "noce"; *c != '\0'; ++c) put(&p, *c);
        }
        put_boundary(&p, ' ');
        if (*at == '+') put(&p, '+');
        put_boundary(&p, ' ');
        ++at;
    }
    put_boundary(&p, ' ');
    if (capacity > 0) out[p.size] = '\0';
}

/* --- what it says --- */

/* How much of the text the pattern takes, 0: it does not fit there. The boundary at its end is not
 * taken: it may begin the next word. */
static size_t taken(const char *text, const char *pattern) {
    const char *at = text;
    for (; *pattern != '\0'; ++pattern) {
        if (*pattern == '#') {
            size_t count = strspn(at, "0123456789");
            if (count == 0) return 0;
            at += count;
        } else if (*pattern == *at || (*pattern == ' ' && *at == '.')) {
            ++at;
        } else {
            return 0;
        }
    }
    bool boundary = pattern[-1] == ' ' && at - text > 1;
    return (size_t)(at - text) - (boundary ? 1 : 0);
}

void mrc_name_listen(struct mrc_name_said *said, const char *name, enum mrc_name_kind kind) {
    char text[2 * PLAIN];
    mrc_name_plain(text, sizeof text, name);
    for (size_t at = 0; text[at] != '\0';) {
        const struct mrc_name_word *best = NULL;
        size_t most = 0;
        for (size_t w = 0; w < mrc_name_word_count; ++w) {
            const struct mrc_name_word *word = &mrc_name_words[w];
            if (word->where != 0 && (word->where & (unsigned)kind) == 0) continue;
            size_t length = taken(text + at, word->pattern);
            if (length <= most) continue;
            best = word;
            most = length;
        }
        if (best != NULL) said->says |= best->says;
        if (best != NULL && said->veto == NULL && (best->says & MRC_SAYS_VETO) != 0)
            said->veto = best;
        at += most > 0 ? most : 1;
    }
}

enum mrc_contrast mrc_name_contrast(unsigned says) {
    bool t1 = (says & MRC_SAYS_T1) != 0, t2 = (says & MRC_SAYS_T2) != 0;
    bool pd = (says & MRC_SAYS_PD) != 0;
    if ((says & MRC_SAYS_SWI) != 0) return t1 ? MRC_CONTRAST_UNKNOWN : MRC_CONTRAST_SWI;
    if ((says & MRC_SAYS_STAR) != 0) return t1 || !t2 ? MRC_CONTRAST_UNKNOWN : MRC_CONTRAST_T2STARW;
    if ((says & MRC_SAYS_FLAIR) != 0)
        return t1 ? MRC_CONTRAST_T1W : MRC_CONTRAST_FLAIR; /* T1-FLAIR is T1w */
    if ((int)t1 + (int)t2 + (int)pd != 1) return MRC_CONTRAST_UNKNOWN;
    return t1 ? MRC_CONTRAST_T1W : t2 ? MRC_CONTRAST_T2W : MRC_CONTRAST_PDW;
}

const char *mrc_name_veto_words(unsigned says) {
    static const struct {
        unsigned says;
        const char *words;
    } kinds[] = {{MRC_SAYS_LABELS, "a mask or the map of a tissue"},
                 {MRC_SAYS_MAP, "a quantitative map or what one is made of"},
                 {MRC_SAYS_PART, "a part of complex images, no magnitude"},
                 {MRC_SAYS_SCOUT, "a scout, calibration or document"},
                 {MRC_SAYS_COMPUTED, "computed from images"},
                 {MRC_SAYS_WEIGHTING, "of another weighting"}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; ++k)
        if ((says & kinds[k].says) != 0) return kinds[k].words;
    return "no plain weighted image";
}

struct mrc_name_text mrc_name_word_text(const struct mrc_name_word *word) {
    struct mrc_name_text out = {""};
    size_t size = 0;
    for (const char *c = word->pattern; *c != '\0' && size + 1 < sizeof out.text; ++c)
        if (*c != '.' && (*c != ' ' || (size > 0 && c[1] != '\0'))) out.text[size++] = *c;
    out.text[size] = '\0';
    return out;
}
