/*
 * quern.h - run .quern packages: image embeddings by int8 networks
 *
 * A package (formats/package.md) holds one quantised network, how images are resized and cropped for it, and how well
 * it was measured to agree with the network that it was made from. This library opens packages and computes embeddings
 * and logits of 8-bit RGB images. Its results are the bits that `quern embed` writes for the same pixels, whatever the
 * number of threads and the instruction set. It decodes no image files, and it does not convert networks.
 *
 * Example: the embedding of one image.
 *
 *     quern_model *model = NULL;
 *     quern_session *session = NULL;
 *     if (quern_model_open("model.quern", NULL, &model) != QUERN_OK ||
 *         quern_session_create(model, NULL, &session) != QUERN_OK) {
 *       fprintf(stderr, "%s\n", quern_last_error());
 *       exit(1);
 *     }
 *     size_t dimension = quern_model_dimension(model);
 *     float *embedding = malloc(dimension * sizeof *embedding);
 *     quern_image image = {.pixels = rgb, .height = height, .width = width};
 *     if (quern_embed(session, &image, 1, embedding, dimension, NULL, 0) != QUERN_OK) {
 *       fprintf(stderr, "%s\n", quern_last_error());
 *       exit(1);
 *     }
 *     quern_session_free(session);
 *     quern_model_free(model);
 *
 * Build with `cc app.c $(pkg-config --cflags --libs quern)`. docs/c-library.md has more.
 *
 * Contents
 *     1. Conventions: ownership, threads, errors, option structs, compatibility
 *     2. Versions
 *     3. Status codes and messages
 *     4. Kernel tiers
 *     5. Models: opening
 *     6. Models: what a package states
 *     7. Sessions
 *     8. Memory
 *     9. Embedding images
 *    10. Tests of the machine
 */
#ifndef QUERN_H
#define QUERN_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define QUERN_API __attribute__((visibility("default")))
#else
#define QUERN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ===== 1. Conventions ===============================================================================================
 *
 * Ownership. Whoever creates a model or a session frees it, by quern_model_free or quern_session_free. A session shares
 * memory with its model that lives until both are freed, in any order. Strings that functions return belong to the
 * library: those of a model live until quern_model_free, the others for as long as the process, except the message of
 * quern_last_error. Results are written to memory of the caller. Paths and strings are UTF-8 and end with a zero byte.
 *
 * Threads. A model is immutable: any number of threads may use one model at the same time, and create sessions of it.
 * A session is used by one thread at a time; it may move between threads. A call on a session that is in use returns
 * QUERN_ERROR_BUSY. A session runs on as many threads of its own as its options say, which sleep between calls.
 * All other functions may be called at any time. After fork(), only the parent can use sessions with several threads.
 *
 * Errors. Functions that can fail return a quern_status: QUERN_OK, which is 0, or an error. An error leaves a message
 * in the calling thread (quern_last_error), sets no pointer except to NULL, and changes neither model nor session.
 * NULL and numbers out of range are reported as QUERN_ERROR_INVALID_ARGUMENT. Freeing NULL does nothing. Functions
 * that return a value instead of a status return 0 or NULL for a NULL model. A pointer to memory that is too small or
 * was freed cannot be detected.
 * A file that was opened by path or descriptor is mapped. If another process truncates it meanwhile, this process gets
 * SIGBUS; replace packages by renaming, as quern does.
 *
 * Option structs. Each begins with struct_size, which is its size in the header that the caller was compiled with.
 * Initialise them with their macro, then set fields: fields that are 0 have the default. NULL for an option struct
 * means all defaults. The library refuses a struct_size that is smaller than that of the first version, and one that
 * is larger than it knows if the bytes beyond are not 0: such fields ask for something that it cannot do.
 *
 * Compatibility. Programs run with any later library that has the same SONAME (libquern.so.0). Later versions add
 * functions, status codes, and fields at the end of structs that begin with struct_size; quern_image never changes.
 */

/* ===== 2. Versions ================================================================================================ */

/* The version of this header. */
#define QUERN_VERSION_MAJOR 0
#define QUERN_VERSION_MINOR 1
#define QUERN_VERSION_PATCH 0
/* As one number that can be compared: 10000 major + 100 minor + patch. */
#define QUERN_VERSION (QUERN_VERSION_MAJOR * 10000 + QUERN_VERSION_MINOR * 100 + QUERN_VERSION_PATCH)

/* The version of the library that runs: QUERN_VERSION when it was built. */
QUERN_API uint32_t quern_runtime_version(void);

/* The same as a text, such as "0.1.0". */
QUERN_API const char *quern_runtime_version_string(void);

/* The version of the package format that the library reads, as 10000 major + 100 minor. It reads packages of the same
 * major version, later minor ones included unless they need a feature that it does not have. */
QUERN_API uint32_t quern_format_version(void);

/* ===== 3. Status codes and messages =============================================================================== */

typedef enum quern_status {
  QUERN_OK = 0,
  QUERN_ERROR_INVALID_ARGUMENT = 1, /* a NULL pointer, a number out of range, an unknown option or struct_size */
  QUERN_ERROR_NOT_FOUND = 2,        /* no file at this path */
  QUERN_ERROR_IO = 3,               /* a file that cannot be opened, read or mapped; a folder or a device */
  QUERN_ERROR_BAD_DATA = 4,         /* not a package, or one that is damaged or malformed */
  QUERN_ERROR_UNSUPPORTED = 5,      /* a package, or an option, that needs a newer library */
  QUERN_ERROR_OUT_OF_MEMORY = 6,    /* memory for activations or pixels that cannot be allocated */
  QUERN_ERROR_IMAGE_SIZE = 7,       /* an image of a size that the network cannot take */
  QUERN_ERROR_BUFFER_TOO_SMALL = 8, /* the caller's memory does not hold the results */
  QUERN_ERROR_NOT_AVAILABLE = 9,    /* what was requested is not there: logits without a classifier, a tier that this
                                       processor does not have, weights of a model that was only described */
  QUERN_ERROR_BUSY = 10,            /* the session is in use by another thread */
  QUERN_ERROR_INTERNAL = 11,        /* a defect of the library */
  QUERN_ERROR_SELFTEST_FAILED = 12, /* this machine does not compute what the package states */
  QUERN_ERROR_NO_SELFTEST = 13      /* a package without a self-test */
} quern_status;

/* The name of a status, such as "QUERN_ERROR_BAD_DATA"; "unknown status" for other numbers. */
QUERN_API const char *quern_status_name(quern_status status);

/* What went wrong, where, and what to do, in one or two English sentences: the message of the last call in the calling
 * thread that returned an error; "" if there was none. It is valid until the next call in this thread that returns a
 * status. A call that succeeds does not clear it. */
QUERN_API const char *quern_last_error(void);

/* ===== 4. Kernel tiers ==============================================================================================
 *
 * All tiers give the same bits. Choose one only to test, or to compare speeds.
 */

typedef enum quern_tier {
  QUERN_TIER_AUTO = 0,        /* the best kernels for this processor */
  QUERN_TIER_SCALAR = 1,      /* plain C, on every processor */
  QUERN_TIER_AVX2 = 2,        /* x86-64: AVX2, FMA and F16C */
  QUERN_TIER_AVX_VNNI = 3,    /* x86-64: AVX2 and AVX-VNNI */
  QUERN_TIER_AVX512 = 4,      /* x86-64: AVX2 and AVX-512 F, BW, DQ and VL */
  QUERN_TIER_AVX512_VNNI = 5, /* x86-64: AVX-512 and its VNNI */
  QUERN_TIER_NEON = 6,        /* AArch64: Advanced SIMD */
  QUERN_TIER_NEON_DOT = 7,    /* AArch64: Advanced SIMD with dot products (Armv8.2) */
  QUERN_TIER_AVX512_VBMI = 8  /* x86-64: AVX-512, its VNNI and its VBMI */
} quern_tier;

/* 1 if this processor has all instructions of the tier, otherwise 0. */
QUERN_API int quern_tier_available(quern_tier tier);

/* The name of a tier, such as "avx512vnni"; "unknown tier" for other numbers, which are larger than those of tiers. */
QUERN_API const char *quern_tier_name(quern_tier tier);

/* ===== 5. Models: opening ===========================================================================================
 *
 * A model is an open package. Opening checks the header, the index, the graph and every weight by SHA-256, and packs
 * the weights for the kernels; it takes tens of milliseconds for a network of 25 million weights.
 */

typedef struct quern_model quern_model;

/* Read only what describes the network, in about a millisecond. All functions of section 6 and quern_peak_memory work,
 * but quern_session_create returns QUERN_ERROR_NOT_AVAILABLE. */
#define QUERN_MODEL_DESCRIBE_ONLY 1u
/* Check every byte of the file, including padding and sections that are not needed to run. */
#define QUERN_MODEL_CHECK_ALL 2u

typedef struct quern_model_options {
  size_t struct_size; /* sizeof(quern_model_options) */
  uint32_t threads;   /* threads that read and pack weights; 0: one for each processor that the process may use */
  uint32_t tier;      /* a quern_tier */
  uint32_t flags;     /* QUERN_MODEL_DESCRIBE_ONLY, QUERN_MODEL_CHECK_ALL, or both */
  uint32_t reserved;  /* 0 */
} quern_model_options;

#define QUERN_MODEL_OPTIONS_INIT {sizeof(quern_model_options), 0, 0, 0, 0}

/* Opens the package at a path, which is UTF-8. The file may be replaced (by renaming) or removed afterwards.
 *
 * options: NULL for the defaults.
 * model: receives the model, or NULL.
 * Errors: INVALID_ARGUMENT, NOT_FOUND, IO; BAD_DATA, UNSUPPORTED; OUT_OF_MEMORY; NOT_AVAILABLE for a tier that this
 * processor does not have. */
QUERN_API quern_status quern_model_open(const char *path, const quern_model_options *options, quern_model **model);

/* Opens a package whose bytes are in memory. They are borrowed: they must stay unchanged until the model and all of its
 * sessions are freed. Weights that are stored without compression are read in place. The address needs no alignment,
 * but is best a multiple of 64.
 *
 * Errors: as quern_model_open, except NOT_FOUND and IO. */
QUERN_API quern_status quern_model_open_memory(const void *bytes, size_t byte_count, const quern_model_options *options,
                                               quern_model **model);

/* Opens a package that is a part of an open file, such as an uncompressed asset in an archive. The descriptor must be
 * one of a regular file that is open for reading. Its position is neither used nor moved, and it may be closed
 * afterwards.
 *
 * offset: the byte of the file that the package starts at, which may be any.
 * byte_count: the size of the package in bytes; 0 for all bytes up to the end of the file.
 * Errors: as quern_model_open; INVALID_ARGUMENT where the file does not have these bytes. */
QUERN_API quern_status quern_model_open_fd(int fd, uint64_t offset, uint64_t byte_count,
                                           const quern_model_options *options, quern_model **model);

/* Frees a model; NULL is ignored. Memory that its sessions share lives until they are freed, too. */
QUERN_API void quern_model_free(quern_model *model);

/* ===== 6. Models: what a package states ===========================================================================
 *
 * None of these functions allocates memory, except quern_model_metadata and quern_model_fidelity when they are called
 * first.
 */

/* The number of elements of an embedding; at least 1. */
QUERN_API size_t quern_model_dimension(const quern_model *model);

/* The number of classes, which is that of the logits; 0 without a classifier. */
QUERN_API size_t quern_model_class_count(const quern_model *model);

/* The name of a class, in the order of the logits; NULL if the package does not name its classes, or index is not below
 * quern_model_class_count. */
QUERN_API const char *quern_model_label(const quern_model *model, size_t index);

/* The number of image sizes that the package was converted for; at least 1. The first is the default. */
QUERN_API size_t quern_model_size_count(const quern_model *model);

/* The image size with an index, in pixels: both sides of the network's input if quern_model_crop is "square", the
 * longer side if it is "rect". 0 if index is not below quern_model_size_count. */
QUERN_API uint32_t quern_model_size(const quern_model *model, size_t index);

/* The exponent of generalised-mean pooling at the size with an index, which is infinite for maximum pooling; 0 where
 * the network has no such pooling, or index is not below quern_model_size_count. */
QUERN_API double quern_model_pooling_exponent(const quern_model *model, size_t index);

/* "square": the short side is resized to size / quern_model_crop_ratio, and a square is cut from the centre.
 * "rect": the long side is resized to size, and nothing is cut off. */
QUERN_API const char *quern_model_crop(const quern_model *model);

/* The share of the resized image's short side that a square crop keeps, such as 0.875. */
QUERN_API double quern_model_crop_ratio(const quern_model *model);

/* The filter that images are resized by, with antialiasing as in Pillow: "bilinear", "bicubic" or "lanczos". */
QUERN_API const char *quern_model_resize_filter(const quern_model *model);

/* The name of the network's architecture, which is for people. */
QUERN_API const char *quern_model_architecture(const quern_model *model);

/* The content hash in 64 lower-case hexadecimal digits. It is the same for packages that compute the same. */
QUERN_API const char *quern_model_content_hash(const quern_model *model);

/* The version of the package's format, as 10000 major + 100 minor. */
QUERN_API uint32_t quern_model_format_version(const quern_model *model);

/* The metadata of the package, one JSON text in UTF-8 (formats/package.md, "Metadata section"): its source, how it was
 * calibrated, and the report of its verification.
 *
 * json: receives the text, which belongs to the model and ends with a zero byte; "" if the package has no metadata.
 * byte_count: receives its length; may be NULL.
 * Errors: INVALID_ARGUMENT; BAD_DATA where the section is damaged. */
QUERN_API quern_status quern_model_metadata(const quern_model *model, const char **json, size_t *byte_count);

/* Whether figures show that a package agrees with its source (formats/report.md, "Verdict"). */
typedef enum quern_verdict {
  QUERN_VERDICT_NONE = 0,         /* the package was not verified */
  QUERN_VERDICT_PASS = 1,         /* all gates passed */
  QUERN_VERDICT_INCONCLUSIVE = 2, /* all gates passed, but other images might give another answer */
  QUERN_VERDICT_FAIL = 3          /* a gate failed */
} quern_verdict;

/* How well the network was measured to agree with the float network that it was made from, when it was converted
 * (formats/report.md). Figures that were not measured are NaN. */
typedef struct quern_fidelity {
  size_t struct_size;       /* sizeof(quern_fidelity), set by the caller */
  uint32_t measured;        /* 1 if the package was verified at this size, otherwise 0 */
  uint32_t passed;          /* 1 if every gate passed at this size, otherwise 0 */
  uint32_t verdict;         /* a quern_verdict, over all sizes */
  uint32_t size;            /* the image size in pixels */
  uint64_t images;          /* the number of images compared */
  uint64_t labelled_images; /* those whose class is known */
  double drift_mean;        /* drift of an image: 1 - cos(float embedding, int8 embedding), from 0 to 2 */
  double drift_p50;
  double drift_p95;
  double drift_p99;
  double drift_max;
  double drift_std;
  double agreement_top1;    /* percentage of images whose first class is the same in both networks */
  double agreement_top5;    /* percentage of images whose first class in float is among the first five in int8 */
  double decisive_top1;     /* agreement_top1 over images that are not near ties */
  double float_top1;        /* percentage of labelled images that the float network classifies correctly */
  double int8_top1;         /* the same for the int8 network */
  double top1_drop;         /* float_top1 - int8_top1 */
  double neighbour_top1;    /* percentage of images whose first neighbour among the int8 embeddings of the others is
                               also the first among the float ones */
} quern_fidelity;

#define QUERN_FIDELITY_INIT                                                                                            \
  {sizeof(quern_fidelity), 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0}

/* The fidelity that the package states for the size with an index. A package that was not verified is no error:
 * measured is 0 then.
 *
 * Errors: INVALID_ARGUMENT; BAD_DATA where the metadata are damaged or not as quern writes them, where the figures
 * contradict each other or the verdict, and where they were measured on another package. */
QUERN_API quern_status quern_model_fidelity(const quern_model *model, size_t index, quern_fidelity *fidelity);

/* ===== 7. Sessions ================================================================================================ */

typedef struct quern_session quern_session;

typedef enum quern_input {
  QUERN_INPUT_IMAGE = 0, /* images of any size, which are resized and cropped as the package says */
  QUERN_INPUT_READY = 1  /* pixels that have been resized and cropped: the network's input itself, of any size that the
                            network can take */
} quern_input;

typedef struct quern_session_options {
  size_t struct_size;      /* sizeof(quern_session_options) */
  uint32_t threads;        /* threads that run the network, including the caller's; 0: one for each processor that the
                              process may use. Several sessions that run at once are best given 1 each */
  uint32_t input;          /* a quern_input */
  uint32_t size;           /* the image size in pixels, from 1 to 8192; 0: the package's first size. A size that the
                              package was not converted for has the pooling exponent of the network, and no measured
                              fidelity. With QUERN_INPUT_READY, it chooses only the pooling exponent */
  uint32_t reserved;       /* 0 */
  double pooling_exponent; /* the exponent of generalised-mean pooling, INFINITY for maximum pooling; 0: that of the
                              size. Anything but 0 is refused for a network without such pooling */
} quern_session_options;

#define QUERN_SESSION_OPTIONS_INIT {sizeof(quern_session_options), 0, 0, 0, 0, 0.0}

/* Creates a session. It has no memory for activations until the first image arrives.
 *
 * options: NULL for the defaults.
 * session: receives the session, or NULL.
 * Errors: INVALID_ARGUMENT; IMAGE_SIZE where the network cannot take images of the size; NOT_AVAILABLE for a model that
 * was opened with QUERN_MODEL_DESCRIBE_ONLY, or for an exponent where nothing pools by it. */
QUERN_API quern_status quern_session_create(const quern_model *model, const quern_session_options *options,
                                            quern_session **session);

/* Frees a session; NULL is ignored. It must not be in use. */
QUERN_API void quern_session_free(quern_session *session);

/* ===== 8. Memory ================================================================================================== */

/* Sizes in bytes. */
typedef struct quern_memory {
  size_t struct_size;     /* sizeof(quern_memory), set by the caller */
  uint64_t model_bytes;   /* the packed weights, which all sessions of a model share */
  uint64_t loading_bytes; /* what opening the model needs besides, for a moment, with one thread */
  uint64_t session_bytes; /* what one session needs besides, for activations and for resizing */
  uint64_t peak_bytes;    /* of a process with one session: model_bytes and the larger of the other two. The code of the
                             library, some 10 MB, and pages of the file are not included */
} quern_memory;

#define QUERN_MEMORY_INIT {sizeof(quern_memory), 0, 0, 0, 0}

/* The memory that a session with these options will need for images of a size, before any of it is allocated. For a
 * model that was opened with QUERN_MODEL_DESCRIBE_ONLY, weights are read one layer after another, and not kept.
 *
 * options: NULL for the defaults.
 * height, width: of the images that quern_embed will be given, in pixels; both 0 for images of the network's input size
 * (a square of the session's size).
 * Errors: INVALID_ARGUMENT; IMAGE_SIZE; BAD_DATA where weights are damaged; OUT_OF_MEMORY. */
QUERN_API quern_status quern_peak_memory(const quern_model *model, const quern_session_options *options, size_t height,
                                         size_t width, quern_memory *memory);

/* ===== 9. Embedding images ======================================================================================== */

/* An image of 8-bit RGB pixels in memory of the caller, which is only read: rows from top to bottom, in each row pixels
 * from left to right, three bytes for each pixel in the order red, green, blue. No colour profile and no orientation is
 * applied. */
typedef struct quern_image {
  const uint8_t *pixels; /* the first byte of the first row */
  size_t height;         /* rows; at least 1 */
  size_t width;          /* pixels in a row; at least 1 */
  size_t row_stride;     /* bytes from the start of a row to that of the next; 0: 3 * width; otherwise at least that */
} quern_image;

/* Computes the embeddings and the logits of a batch of images, which may differ in size. Each image's results are the
 * same bits as if it were embedded alone.
 *
 * A session allocates memory when it first sees an image size or a larger batch. After that, calls with images of the
 * same sizes allocate nothing, as long as no more than eight sizes take turns.
 *
 * images: count of them; count is at least 1.
 * embeddings: receives the L2-normalised embeddings, [count, quern_model_dimension], row after row; NULL to leave them
 * out.
 * embedding_capacity: the number of floats that embeddings has memory for.
 * logits: receives the logits, [count, quern_model_class_count]; NULL to leave them out.
 * logit_capacity: the number of floats that logits has memory for.
 * Errors: INVALID_ARGUMENT, also where both are NULL; BUFFER_TOO_SMALL; NOT_AVAILABLE for logits without a
 * classifier; IMAGE_SIZE; OUT_OF_MEMORY; BUSY. After an error, the contents of embeddings and logits are undefined. */
QUERN_API quern_status quern_embed(quern_session *session, const quern_image *images, size_t count, float *embeddings,
                                   size_t embedding_capacity, float *logits, size_t logit_capacity);

/* ===== 10. Tests of the machine ======================================================================================
 *
 * A package states what its layers compute for a few synthetic images, integers by hash and some floats by tolerance
 * (docs/selftest.md). A machine that computes something else has a kernel that was compiled wrongly, a faulty core or
 * memory, or an emulator that is wrong; do not use its embeddings, even where they look plausible.
 *
 *     if (quern_selftest(model, NULL, NULL, 0, NULL) != QUERN_OK) {
 *       fprintf(stderr, "%s\n", quern_last_error());
 *       exit(1);
 *     }
 */

/* Also test the scalar kernels, which are several times slower. */
#define QUERN_SELFTEST_SCALAR 1u

typedef struct quern_selftest_options {
  size_t struct_size; /* sizeof(quern_selftest_options) */
  uint32_t threads;   /* threads that prepare the network, and then run the whole test at the same time, so that all
                         cores take part; 0: one for each processor that the process may use */
  uint32_t tier;      /* a quern_tier to test alone; QUERN_TIER_AUTO: every tier of this processor except scalar */
  uint32_t flags;     /* QUERN_SELFTEST_SCALAR */
  uint32_t reserved;  /* 0 */
} quern_selftest_options;

#define QUERN_SELFTEST_OPTIONS_INIT {sizeof(quern_selftest_options), 0, 0, 0, 0}

/* How a layer differs. */
typedef enum quern_difference {
  QUERN_DIFFERENCE_NONE = 0,
  QUERN_DIFFERENCE_BITS = 1,      /* the package states other bits */
  QUERN_DIFFERENCE_TOLERANCE = 2, /* its floats are further from those of the package than rounding explains */
  QUERN_DIFFERENCE_TIERS = 3      /* within the tolerance of the package, but not the bits of the first tier tested */
} quern_difference;

/* What the test found with one tier. Layers are those of the package's graph, in their order of execution; names live
 * until quern_model_free, and are NULL where nothing differs. */
typedef struct quern_selftest_result {
  size_t struct_size;        /* sizeof(quern_selftest_result), set by the caller */
  uint32_t tier;             /* a quern_tier; QUERN_TIER_AUTO where the best kernels for this processor are not those
                                of a tier */
  uint32_t difference;       /* a quern_difference: how the first layer that differs does; NONE: nothing differs */
  uint32_t checks;           /* the number of checks made */
  uint32_t skipped_checks;   /* those left out, because they state float bits that another version computed */
  uint32_t threads;          /* threads that ran the whole test */
  uint32_t failed_threads;   /* those that found differences from the package. Where only some do, a core or the memory
                                is at fault rather than a kernel */
  uint32_t different_layers; /* the number of layers that differ */
  uint32_t suspect_layers;   /* the number of layers among which is the one at fault: `layer`, and those that it depends
                                on and no check shows to be right; 0 where this is not known, which is so with
                                QUERN_DIFFERENCE_TIERS */
  const char *layer;         /* the first layer that differs */
  const char *op;            /* its operator */
  const char *first_suspect; /* the first of the suspect layers; `layer` is the last */
} quern_selftest_result;

#define QUERN_SELFTEST_RESULT_INIT {sizeof(quern_selftest_result), 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL}

/* No version tests more tiers than this. */
#define QUERN_SELFTEST_MAX_RESULTS 16u

/* Runs the self-test of a package, with one tier after another. It takes as much time and memory as opening the model,
 * and a fraction of a second for the images, for each tier. The model's own sessions and weights are not used:
 * weights are read from the package again, also for a model that was opened with QUERN_MODEL_DESCRIBE_ONLY.
 *
 * options: NULL for the defaults.
 * results: receives what was found with each tier, the best tier first; NULL to leave it out. Only the first element
 * needs to be initialised, and the elements are as far apart as its struct_size says:
 *     quern_selftest_result results[QUERN_SELFTEST_MAX_RESULTS] = {QUERN_SELFTEST_RESULT_INIT};
 * capacity: the number of elements that results has memory for.
 * count: receives the number of tiers that were tested, or 0 if the test was not completed; may be NULL.
 * Errors: SELFTEST_FAILED where anything differs; the message then names the tiers and layers, and results and count
 * are written as for QUERN_OK. NO_SELFTEST for a package that an early version or another program wrote.
 * INVALID_ARGUMENT; BUFFER_TOO_SMALL; NOT_AVAILABLE for a tier that this processor does not have; BAD_DATA where the
 * package is damaged, or its test compares no output; IMAGE_SIZE where its images do not suit its network;
 * OUT_OF_MEMORY. */
QUERN_API quern_status quern_selftest(const quern_model *model, const quern_selftest_options *options,
                                      quern_selftest_result *results, size_t capacity, size_t *count);

#ifdef __cplusplus
}
#endif

#endif
