/* dicom_deidentify_number.c: a row an element. Ranges are those of scanners of patients, with room
 * above; counts have five digits at most, of which no date of a day can be made. */
#include "io/dicom/dicom_deidentify_number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "io/dcmtk/bridge.h"

enum { MOST_FRAMES = 4096, DS_CHARACTERS = 16, IS_CHARACTERS = 12 };

#define ROW(g, e, vr_, fewest_, most_, low_, high_)                                                \
    {                                                                                              \
        .tag = MRC_TAG(g, e), .vr = vr_, .fewest = fewest_, .most = most_, .low = low_,            \
        .high = high_                                                                              \
    }
#define COUNT(g, e, vr_) ROW(g, e, vr_, 1, 1, 0.0, 99999.0)

static const struct mrc_deidentify_number numbers[] = {
    ROW(0x0008, 0x1160, "IS", 1, MOST_FRAMES, 0.0, 99999.0),
    ROW(0x0018, 0x0050, "DS", 1, 1, 0.0, 1000.0),  /* SliceThickness, mm */
    ROW(0x0018, 0x0080, "DS", 1, 1, 0.0, 99999.0), /* RepetitionTime, ms */
    ROW(0x0018, 0x0081, "DS", 1, 1, 0.0, 99999.0), /* EchoTime */
    ROW(0x0018, 0x0082, "DS", 1, 1, 0.0, 99999.0), /* InversionTime */
    ROW(0x0018, 0x0083, "DS", 1, 1, 0.0, 9999.0),  /* NumberOfAverages */
    ROW(0x0018, 0x0084, "DS", 1, 1, 0.0, 1000.0),  /* ImagingFrequency, MHz */
    ROW(0x0018, 0x0086, "IS", 1, 64, 0.0, 9999.0), /* EchoNumbers */
    ROW(0x0018, 0x0087, "DS", 1, 1, 0.0,
        99999.0), /* MagneticFieldStrength, T; in gauss with some */
    ROW(0x0018, 0x0088, "DS", 1, 1, -1000.0, 1000.0), /* SpacingBetweenSlices, mm */
    COUNT(0x0018, 0x0089, "IS"),                      /* NumberOfPhaseEncodingSteps */
    COUNT(0x0018, 0x0091, "IS"),                      /* EchoTrainLength */
    ROW(0x0018, 0x0093, "DS", 1, 1, 0.0, 1000.0),     /* PercentSampling */
    ROW(0x0018, 0x0094, "DS", 1, 1, 0.0, 1000.0),     /* PercentPhaseFieldOfView */
    ROW(0x0018, 0x0095, "DS", 1, 1, 0.0, 1e6),        /* PixelBandwidth, Hz */
    ROW(0x0018, 0x1060, "DS", 1, 1, -1e5, 1e7),       /* TriggerTime, ms */
    COUNT(0x0018, 0x1088, "IS"),                      /* HeartRate */
    COUNT(0x0018, 0x1090, "IS"),                      /* CardiacNumberOfImages */
    ROW(0x0018, 0x1100, "DS", 1, 1, 0.0, 9999.0),     /* ReconstructionDiameter, mm */
    ROW(0x0018, 0x1310, "US", 4, 4, 0.0, 65535.0),    /* AcquisitionMatrix */
    ROW(0x0018, 0x1314, "DS", 1, 1, -360.0, 360.0),   /* FlipAngle, degrees */
    ROW(0x0018, 0x1316, "DS", 1, 1, 0.0, 1000.0),     /* SAR, W/kg */
    ROW(0x0018, 0x1318, "DS", 1, 1, 0.0, 99999.0),    /* dBdt, T/s */
    ROW(0x0018, 0x9019, "FD", 1, 1, -360.0, 360.0),   /* TagAngleFirstAxis */
    ROW(0x0018, 0x9052, "FD", 1, 2, 0.0, 1e6),        /* SpectralWidth, Hz */
    ROW(0x0018, 0x9053, "FD", 1, 2, -1000.0, 1000.0), /* ChemicalShiftReference, ppm */
    ROW(0x0018, 0x9058, "US", 1, 1, 0.0, 65535.0),
    ROW(0x0018, 0x9069, "FD", 1, 1, 0.0, 1000.0), /* ParallelReductionFactorInPlane */
    ROW(0x0018, 0x9073, "FD", 1, 1, 0.0, 1e5),    /* AcquisitionDuration, s */
    ROW(0x0018, 0x9079, "FD", 1, 64, 0.0, 1e5),   /* InversionTimes, ms */
    ROW(0x0018, 0x9082, "FD", 1, 1, 0.0, 1e5),    /* EffectiveEchoTime, ms */
    ROW(0x0018, 0x9087, "FD", 1, 1, 0.0, 1e5),    /* DiffusionBValue, s/mm2 */
    ROW(0x0018, 0x9089, "FD", 3, 3, -1.01, 1.01), /* DiffusionGradientOrientation */
    ROW(0x0018, 0x9090, "FD", 3, 3, -1.01, 1.01), /* VelocityEncodingDirection */
    ROW(0x0018, 0x9093, "US", 1, 1, 0.0, 65535.0),
    ROW(0x0018, 0x9098, "FD", 1, 2, 0.0, 1e9),    /* TransmitterFrequency, MHz; in Hz with some */
    ROW(0x0018, 0x9155, "FD", 1, 1, 0.0, 1000.0), /* ParallelReductionFactorOutOfPlane */
    ROW(0x0018, 0x9168, "FD", 1, 1, 0.0, 1000.0),
    ROW(0x0018, 0x9181, "FD", 1, 1, 0.0, 1000.0), /* SpecificAbsorptionRateValue, W/kg */
    ROW(0x0018, 0x9182, "FD", 1, 1, 0.0, 1e5),    /* GradientOutput */
    ROW(0x0018, 0x9220, "FD", 1, 1, 0.0, 1e8),    /* FrameAcquisitionDuration, ms */
    ROW(0x0018, 0x9231, "US", 1, 1, 0.0, 65535.0),
    ROW(0x0018, 0x9232, "US", 1, 1, 0.0, 65535.0),
    ROW(0x0018, 0x9240, "US", 1, 1, 0.0, 65535.0),
    ROW(0x0018, 0x9241, "US", 1, 1, 0.0, 65535.0),
    COUNT(0x0020, 0x0011, "IS"),                  /* SeriesNumber */
    COUNT(0x0020, 0x0012, "IS"),                  /* AcquisitionNumber */
    COUNT(0x0020, 0x0013, "IS"),                  /* InstanceNumber */
    ROW(0x0020, 0x0032, "DS", 3, 3, -1e4, 1e4),   /* ImagePositionPatient, mm */
    ROW(0x0020, 0x0037, "DS", 6, 6, -1.01, 1.01), /* ImageOrientationPatient */
    COUNT(0x0020, 0x0100, "IS"),                  /* TemporalPositionIdentifier */
    COUNT(0x0020, 0x0105, "IS"),                  /* NumberOfTemporalPositions */
    COUNT(0x0020, 0x1002, "IS"),                  /* ImagesInAcquisition */
    ROW(0x0020, 0x1041, "DS", 1, 1, -1e4, 1e4),   /* SliceLocation, mm */
    COUNT(0x0020, 0x9056, "SH"),                  /* StackID, where it is a number */
    COUNT(0x0020, 0x9057, "UL"),                  /* InStackPositionNumber */
    COUNT(0x0020, 0x9128, "UL"),                  /* TemporalPositionIndex */
    ROW(0x0020, 0x9156, "US", 1, 1, 0.0, 65535.0),
    ROW(0x0020, 0x9157, "UL", 1, 32, 0.0, 99999.0), /* DimensionIndexValues */
    ROW(0x0020, 0x9162, "US", 1, 1, 0.0, 65535.0),
    ROW(0x0020, 0x9165, "AT", 1, 1, 0.0, 4294967295.0), /* DimensionIndexPointer */
    ROW(0x0020, 0x9167, "AT", 1, 1, 0.0, 4294967295.0), /* FunctionalGroupPointer */
    COUNT(0x0020, 0x9228, "UL"),                        /* ConcatenationFrameOffsetNumber */
    ROW(0x0028, 0x0002, "US", 1, 1, 0.0, 4.0),          /* SamplesPerPixel */
    COUNT(0x0028, 0x0008, "IS"),                        /* NumberOfFrames */
    ROW(0x0028, 0x0010, "US", 1, 1, 0.0, 65535.0),      /* Rows */
    ROW(0x0028, 0x0011, "US", 1, 1, 0.0, 65535.0),      /* Columns */
    ROW(0x0028, 0x0030, "DS", 2, 2, 0.0, 1000.0),       /* PixelSpacing, mm */
    ROW(0x0028, 0x0034, "IS", 2, 2, 0.0, 99999.0),      /* PixelAspectRatio */
    ROW(0x0028, 0x0100, "US", 1, 1, 0.0, 64.0),         /* BitsAllocated */
    ROW(0x0028, 0x0101, "US", 1, 1, 0.0, 64.0),         /* BitsStored */
    ROW(0x0028, 0x0102, "US", 1, 1, 0.0, 63.0),         /* HighBit */
    ROW(0x0028, 0x0103, "US", 1, 1, 0.0, 1.0),          /* PixelRepresentation */
    ROW(0x0028, 0x1050, "DS", 1, 16, -1e7, 1e7),        /* WindowCenter */
    ROW(0x0028, 0x1051, "DS", 1, 16, -1e7, 1e7),        /* WindowWidth */
    ROW(0x0028, 0x1052, "DS", 1, 1, -1e9, 1e9),         /* RescaleIntercept */
    ROW(0x0028, 0x1053, "DS", 1, 1, -1e9, 1e9),         /* RescaleSlope */
    ROW(0x0028, 0x2112, "DS", 1, 16, 0.0, 99999.0),     /* LossyImageCompressionRatio */
};

const struct mrc_deidentify_number *mrc_deidentify_number_of(uint32_t tag) {
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; ++i)
        if (numbers[i].tag == tag) return &numbers[i];
    return NULL;
}

static bool is_whole(const struct mrc_deidentify_number *bounds) {
    return strcmp(bounds->vr, "DS") != 0 && bounds->vr[0] != 'F';
}

bool mrc_deidentify_number_fits(const struct mrc_deidentify_number *bounds, const char *text) {
    double value = 0.0;
    const char *letters = is_whole(bounds) ? "0123456789+-" : "0123456789+-.eE";
    return text[strspn(text, letters)] == '\0' &&
           (!is_whole(bounds) || strlen(text) <= IS_CHARACTERS) &&
           mrc_parse_f64(&value, text, bounds->low, bounds->high) == MRC_OK && isfinite(value);
}

void mrc_deidentify_number_shorten(char *text, size_t capacity,
                                   const struct mrc_deidentify_number *bounds) {
    double value = 0.0;
    if (is_whole(bounds) || strlen(text) <= DS_CHARACTERS) return;
    if (mrc_parse_f64(&value, text, bounds->low, bounds->high) == MRC_OK)
        (void)snprintf(text, capacity, "%.9g", value);
}
