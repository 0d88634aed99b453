/* mrcycle.h: all of the library. What is named here is public, and installed under include/mrcycle
 * by the same path; a program may as well include only the parts it uses.
 * Speed depends on a choice that OpenBLAS makes when it is loaded: see model/blas_select.h. */
#ifndef MRC_MRCYCLE_H
#define MRC_MRCYCLE_H

#include "app/chart.h"
#include "app/dataset.h"
#include "app/deidentify.h"
#include "app/events.h"
#include "app/html.h"
#include "app/model_file.h"
#include "app/phantom.h"
#include "app/sheet.h"
#include "app/survey.h"
#include "app/system.h"
#include "app/train.h"
#include "app/translate.h"
#include "base/alloc.h"
#include "base/cpu.h"
#include "base/export.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "base/pseudonym.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/text.h"
#include "io/deidentify.h"
#include "io/derived.h"
#include "io/geometry.h"
#include "io/image.h"
#include "io/volume.h"
#include "model/blas_select.h"
#include "model/checkpoint.h"
#include "model/cyclegan.h"
#include "model/net.h"
#include "model/op.h"
#include "model/trainer.h"
#include "preprocess/slices.h"

#endif
