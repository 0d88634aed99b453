/* clean_words.c: see clean_words.h. */
#include "app/privacy/clean_words.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { SHORTEST_NAME = 3, WORD = 96, MOST_DIGITS = 6 };

/* The words of this program's messages and of the system's errors, in lower case. What is not among
 * them may be a name, a site or a diagnosis. */
static const char *const vocabulary[] =
    {/* in two, for C promises 4095 characters */
     " "
     "a about accepts acquired acquisition address after against agent agree all allocate "
     "allow-derived allow-gaps allow-list allow-synthetic allowed along already also among "
     "an anat and angle angles another answered anterior antialiased apart are argument "
     "around as assume-ras at available averaging axes axial axis back bad baseline be "
     "become before begin beginning belongs below beside between big-endian bit bitpix "
     "bits bright broke broken but by byte bytes call can cannot carry changed character "
     "characters check child choose chooses chunk claims class classic code colour column "
     "columns command components compressed computed connection containing continues "
     "contradict contrast contrasts copy coronal could crashed crashes cut cycle damaged "
     "dark data datatype dcm dcmtk dcmtk's de-identified declares decoded decoder "
     "decompress decompressed deep deeper deflated degrees delimiter denied density depth "
     "derived described detail device diagnosis dic dicom dictionary died differ different "
     "diffusion- diffusion-weighted digits dim directions directory disk distance does "
     "drawn dropped each early echo-planar either element elements else empty encapsulated "
     "encoded end ended ending ends enough entries equal error even exists expected export "
     "extended failed fewer field file file's files filled fills film filter findings "
     "finite first fixed float fluid flushing folder folder's folders follow followed "
     "follows for force format found fragment fragments frame frames from fruit functional "
     "gave gdcmconv generated generator geometry gives go goes grey greyscale grid group "
     "groups gz gzip half handle hangs has hash have hdr head head's header headers here "
     "hexadecimal high histogram hold holds i image images imaging img in incorrect index "
     "infinite input inside install instance intensities intensity intent inter "
     "interpolated interrupted into invalid is it item items its itself j json k keep kept "
     "key killed kind kinds known knows label lacks larger largest leading least left "
     "length lengths less libcrypto libpng lie lies limit line lines link links list "
     "listing localizer longer looked lossless low made magic magnitude make maker maker's "
     "manifest ",
     " "
     "many map marked mask matrix maximum may meet memory millimetres mirror missing mm "
     "mode model montage more mosaic most mrcycle ms must n name named names near-lossless "
     "nearly need needs neighbours neither nested network neural new ni nii nii.gz no "
     "nobody non-finite none nor normal normalisation not notes nothing nowhere number "
     "numbers object oblique odd of off offset old on once one only open operation or "
     "order orientation orientations orthogonal other others out output outside overrides "
     "overrules own packing padded pair palette part partial path patient patient's "
     "patients pattern peer percentiles permission permitted phantom picture pictures pipe "
     "pixdim pixel pixels place plain plane png point points position positions positive "
     "predecessor prepare private process processing product program protects proton "
     "pseudonym purpose pydicom pylibjpeg-openjpeg qform random range raw read read-only "
     "readable reader reading reads real recognised recompression record refer reference "
     "reformat reformatted reformatting refusals refused region regular rejected relative "
     "relaxometry renaming replace replaced replaces representation resampled resampling "
     "rescale resolved resource reversed right rounded row sagittal said same samples say "
     "says scanner scl scroll searched second seconds sends sent sequence sequences series "
     "server set sets settings sform sheared short shown shows side sidecar sides signal "
     "signature since size sizeof sizeof_hdr slice slices socket some source source's "
     "sources space spacing spatial special split square stack stale stamp stand standard "
     "standard's stands star started stated stopped stored stream study subjects such "
     "superior syntax synthetic system table tabs taken takes tells temporarily test text "
     "than that the their them there this those three tilted time timing to too took "
     "training transfer transparency trilinear truncated tsv two type um unavailable "
     "uncompressed under unevenly unit units unknown unpacked unpacking up usable used "
     "value values vectors volume volume's volumes vox vox_offset voxel voxels was way "
     "weighted weights what when where which while who whoever whole whose with without "
     "word words work would write writing written wrong x xyzt xyzt_units years zero zeros "
     "aside background both calibration cleaned complex concatenation describes differs "
     "document estimate explicit given implicit marker probabilities quantitative run "
     "scout segment statistics tile-part tissue weighting "};

static bool is_among(const char *word, const char *words) {
    char spaced[WORD + 2];
    (void)snprintf(spaced, sizeof spaced, " %s ", word);
    return strstr(words, spaced) != NULL;
}

/* Terms with capitals or digits that our messages use. */
static bool is_term(const char *word) {
    static const char *const terms[] = {"MR",
                                        "No",
                                        "Permission",
                                        "CT",
                                        "DICOM",
                                        "NIfTI",
                                        "NIfTI-1",
                                        "NIfTI-2",
                                        "PNG",
                                        "JPEG",
                                        "JPEG-LS",
                                        "RLE",
                                        "UID",
                                        "GiB",
                                        "MiB",
                                        "T1w",
                                        "T2w",
                                        "PDw",
                                        "FLAIR",
                                        "T1w-ce",
                                        "T2starw",
                                        "RGB",
                                        "PixelData",
                                        "I",
                                        "Modality",
                                        "ImageType",
                                        "Rows",
                                        "Columns",
                                        "BitsStored",
                                        "HighBit",
                                        "BitsAllocated",
                                        "Otsu's",
                                        "patient's",
                                        "complex",
                                        "SopInstanceUID",
                                        "SOPInstanceUID",
                                        "SliceThickness",
                                        "PixelSpacing",
                                        "NaN",
                                        "XL",
                                        "HTJ2K",
                                        "ImagePositionPatient",
                                        "ImageOrientationPatient",
                                        "TR",
                                        "TE",
                                        "TI",
                                        "SyntheticData",
                                        "FILE.tsv",
                                        "NumberOfFrames",
                                        "PatientAge",
                                        "ProtocolName",
                                        "SequenceName",
                                        "SeriesDescription",
                                        "SeriesNumber",
                                        "Manufacturer",
                                        "NIfTI's",
                                        "OB",
                                        "OW",
                                        "SOP",
                                        "K-th",
                                        "Which",
                                        "DERIVED",
                                        "SECONDARY",
                                        "ORIGINAL",
                                        "PRIMARY",
                                        "M",
                                        "P",
                                        "R",
                                        "MPR",
                                        "MIP",
                                        "ADC",
                                        "FA",
                                        "TRACEW",
                                        "LOCALIZER",
                                        "VFRAME",
                                        "Siemens",
                                        "PhotometricInterpretation",
                                        "MONOCHROME1",
                                        "MONOCHROME2",
                                        "DICOMDIR",
                                        "ANALYZE",
                                        "n+1",
                                        "ni1",
                                        "PS3.5",
                                        "RPCL",
                                        "JPIP",
                                        "MPEG2",
                                        "MPEG-4",
                                        "HEVC",
                                        "SMPTE",
                                        "ST",
                                        "CR",
                                        "DX",
                                        "MG",
                                        "NM",
                                        "OT",
                                        "PT",
                                        "RF",
                                        "SC",
                                        "US",
                                        "EchoTime",
                                        "RepetitionTime",
                                        "SPM",
                                        "PS3.8",
                                        "AcquisitionContrast",
                                        "Units",
                                        "XA"};
    for (size_t i = 0; i < sizeof terms / sizeof *terms; ++i)
        if (strcmp(terms[i], word) == 0) return true;
    size_t length = strlen(word), tail = strlen("Storage"); /* names of SOP classes */
    return length > tail && strcmp(word + length - tail, "Storage") == 0 && length < 48 &&
           isupper((unsigned char)word[0]);
}

static bool is_tag(const char *word) {
    return strlen(word) == 9 && word[4] == ',' && strspn(word, "0123456789abcdefABCDEF") == 4 &&
           strspn(word + 5, "0123456789abcdefABCDEF") == 4;
}

/* Several values of an element: "DERIVED\\SECONDARY". */
static bool is_terms(const char *word) {
    char part[WORD];
    if (strchr(word, '\\') == NULL) return false;
    for (const char *at = word;; ++at) {
        size_t length = strcspn(at, "\\");
        (void)snprintf(part, sizeof part, "%.*s", (int)length, at);
        if (!is_term(part)) return false;
        at += length;
        if (*at == '\0') return true;
    }
}

/* Short ones: a date, an ID or a UID has more digits than what we count. */
static bool is_number(const char *word) {
    size_t digits = 0;
    if (word[0] == '-') ++word;
    for (const char *c = word; *c != '\0'; ++c) digits += isdigit((unsigned char)*c) != 0;
    return isdigit((unsigned char)word[0]) && digits <= MOST_DIGITS &&
           word[strspn(word, "0123456789.x%")] == '\0';
}

/* Is the word part of a name of the path, or the other way round? */
static bool is_in_path(const char *word, const char *path) {
    size_t length = strlen(word);
    if (length < SHORTEST_NAME) return false;
    for (const char *at = path; at != NULL && *at != '\0';) {
        size_t part = strcspn(at, "/ _.-^");
        if (part == length && strncasecmp(at, word, length) == 0) return true;
        at += part + (at[part] != '\0');
    }
    return false;
}

/* Words of our sentences that are no secret though files be called so. */
static bool is_common(const char *word) {
    static const char common[] =
        " expected image images file files slice slices series volume pixels header data brain "
        "head "
        "scan scans with from more than that the and for not are has does one two its this other "
        "unknown axial sagittal coronal oblique bytes element sequence test mask derived marked ";
    return is_among(word, common);
}

static bool is_name(const char *word, const char *path, const struct mrc_name_list *names) {
    if (is_common(word)) return false;
    if (is_in_path(word, path)) return true;
    for (size_t i = 0; names != NULL && i < names->count; ++i)
        if (is_in_path(word, mrc_path_name(names->names[i]))) return true;
    return false;
}

/* `next`: what follows, for a keyword stands before its tag. */
static bool may_stay(const char *word, const char *next, const char *path,
                     const struct mrc_name_list *names) {
    if (word[0] == '\0' || is_tag(word) || is_number(word) || is_term(word) || is_terms(word))
        return true;
    bool keyword = isupper((unsigned char)word[0]) && next[0] == '(' && strlen(next) > 10 &&
                   next[5] == ',' && next[10] == ')';
    if (keyword) return true;
    char plain[WORD]; /* "pixdim" of "pixdim[2" */
    (void)snprintf(plain, sizeof plain, "%s", strncmp(word, "--", 2) == 0 ? word + 2 : word);
    size_t index = strcspn(plain, "[");
    if (plain[index] == '[' && isdigit((unsigned char)plain[index + 1]) && plain[index + 2] == '\0')
        plain[index] = '\0';
    return (is_among(plain, vocabulary[0]) || is_among(plain, vocabulary[1])) &&
           !is_name(plain, path, names);
}

void mrc_clean_words(char *out, size_t capacity, const char *text, const char *path,
                     const struct mrc_name_list *names) {
    static const char marks[] = "()[],.;:'\"";
    size_t used = 0, length = strlen(path);
    if (length > 0 && strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0)
        text += length + 2;
    while (*text != '\0' && used + 2 < capacity) {
        size_t gap = strspn(text, " "), size;
        char word[WORD];
        if (gap > 0) out[used++] = ' ';
        text += gap;
        size = strcspn(text, " ");
        const char *begin = text, *end = text + size;
        const char *next = end + strspn(end, " ");
        text = end;
        while (begin < end && strchr(marks, *begin) != NULL && used + 2 < capacity)
            out[used++] = *begin++;
        const char *tail = end;
        while (tail > begin && strchr(marks, tail[-1]) != NULL) --tail;
        bool fits = (size_t)(tail - begin) < sizeof word;
        if (fits) (void)snprintf(word, sizeof word, "%.*s", (int)(tail - begin), begin);
        bool stays = fits && may_stay(word, next, path, names);
        int written = snprintf(out + used, capacity - used, "%s%.*s", stays ? word : "*",
                               (int)(end - tail), tail);
        used += (size_t)written < capacity - used ? (size_t)written : capacity - used - 1;
    }
    out[used < capacity ? used : capacity - 1] = '\0';
}
