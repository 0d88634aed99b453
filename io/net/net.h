/* net.h: the C face of DICOM over the network: echo and store towards a peer, and one association
 * of a peer that stores here. Behind it lies C++ (DCMTK's DcmSCU and association layer); every
 * exception and every OFCondition becomes a status. No wait is without end. */
#ifndef MRC_IO_NET_NET_H
#define MRC_IO_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MRC_AET_TEXT = 17, MRC_HOST_TEXT = 256, MRC_NET_UID_TEXT = 65 };

/** PEM files. As a client: `ca` turns TLS on and judges the peer, `cert` and `key` are shown to it
 * when given. As a server: `cert` and `key` turn TLS on, `ca` demands a certificate of the peer.
 * TLS 1.2 or later (BCP 195 without downgrade). The peer's name is not compared with its
 * certificate: trust in `ca` decides. Empty strings: not given. */
struct mrc_net_tls {
    char ca[1024], cert[1024], key[1024];
};

struct mrc_net_peer {
    char called[MRC_AET_TEXT], calling[MRC_AET_TEXT], host[MRC_HOST_TEXT];
    int port;
    struct mrc_net_tls tls;
    int connect_s, acse_s, dimse_s; /* longest wait for a connection, an association, an answer */
};
#define MRC_NET_PEER_DEFAULTS                                                                      \
    { .calling = "MRCYCLE", .connect_s = 10, .acse_s = 30, .dimse_s = 60 }

/** An application entity's title: 1 to 16 printable ASCII characters, no backslash, not only
 * spaces; those around it do not count. MRC_ERR_ARGUMENT. */
MRC_MUST_CHECK enum mrc_status mrc_net_parse_aet(char out[MRC_AET_TEXT], const char *text,
                                                 struct mrc_error *err);
/** "AET@host:port" into called, host and port. MRC_ERR_ARGUMENT. */
MRC_MUST_CHECK enum mrc_status mrc_net_parse_peer(struct mrc_net_peer *peer, const char *text,
                                                  struct mrc_error *err);

/* --- Towards a peer (SCU) --- */

/** What one file needs of an association. */
struct mrc_net_need {
    char sop_class[MRC_NET_UID_TEXT], transfer_syntax[MRC_NET_UID_TEXT];
};
/** Reads a file's needs and its SOP instance UID. MRC_ERR_UNSUPPORTED when it has no SOP class or
 * instance; else as mrc_dcmtk_open. */
MRC_MUST_CHECK enum mrc_status mrc_net_describe(struct mrc_net_need *need,
                                                char instance[MRC_NET_UID_TEXT], const char *path,
                                                struct mrc_error *err);

typedef struct mrc_net_association mrc_net_association;
/** Opens an association that proposes Verification and what the files need: uncompressed ones as
 * explicit or implicit little endian, others in their own transfer syntax. MRC_ERR_NETWORK: may be
 * tried again; MRC_ERR_PEER: the peer refused for good (title, no context). */
MRC_MUST_CHECK enum mrc_status mrc_net_connect(mrc_net_association **out,
                                               const struct mrc_net_peer *peer,
                                               const struct mrc_net_need *needs, size_t count,
                                               struct mrc_error *err);
/** Releases. NULL is fine. */
void mrc_net_disconnect(mrc_net_association *association);

/** C-ECHO. MRC_ERR_PEER when the answer is not success. */
MRC_MUST_CHECK enum mrc_status mrc_net_echo(mrc_net_association *association,
                                            struct mrc_error *err);

enum mrc_net_outcome {
    MRC_NET_STORED,
    MRC_NET_STORED_WARNING, /* B000, B006, B007 and others of the Bxxx; 0111: was there before */
    MRC_NET_RETRY,          /* A7xx, 0213 out of resources, 0110 processing failure */
    MRC_NET_REFUSED         /* all others: A9xx, Cxxx, 0122 class not supported, 0124 … */
};
enum mrc_net_outcome mrc_net_outcome_of(uint16_t status);

/** C-STORE of one file; *status is the peer's answer. A file whose class or syntax the peer did not
 * accept is answered here with 0122. MRC_ERR_NETWORK: the association is broken, and whether the
 * file was stored is not known. */
MRC_MUST_CHECK enum mrc_status mrc_net_store(uint16_t *status, mrc_net_association *association,
                                             const char *path, struct mrc_error *err);

/* --- A peer that stores here (SCP) --- */

/** *out: a socket that listens, without blocking. `host` is an IPv4 address of ours, or its name.
 * MRC_ERR_NETWORK. */
MRC_MUST_CHECK enum mrc_status mrc_net_listen(int *out, const char *host, int port,
                                              struct mrc_error *err);
/** The next peer that waits at the listener; false: none does. *out is the caller's to close or to
 * give to mrc_net_accept, `host` is the peer's address. */
bool mrc_net_next(int *out, char host[MRC_HOST_TEXT], int listener);

/** Who may store here: an application entity at an address, or at all of a network. */
struct mrc_net_rule {
    char calling[MRC_AET_TEXT]; /* "": any */
    uint32_t address, mask;     /* in this machine's byte order; mask 0: any */
};
/** "AET@host", "AET@10.0.0.0/24", "*@host", "AET@*". Names of hosts are resolved here and now.
 * MRC_ERR_ARGUMENT or MRC_ERR_NETWORK. */
MRC_MUST_CHECK enum mrc_status mrc_net_parse_rule(struct mrc_net_rule *rule, const char *text,
                                                  struct mrc_error *err);
/** `calling` NULL: may anybody at this address? */
bool mrc_net_rule_fits(const struct mrc_net_rule *rule, const char *calling, const char *host);

/** What a received file says that it is. */
struct mrc_net_identity {
    char sop_class[MRC_NET_UID_TEXT], instance[MRC_NET_UID_TEXT], series[MRC_NET_UID_TEXT];
    char study[MRC_NET_UID_TEXT]; /* "": not said */
};
/** Reads a file's header, or where there is no memory for all of it what stands before the images'
 * own groups. MRC_ERR_UNSUPPORTED when one of the three is missing; else as
 * mrc_dcmtk_open. */
MRC_MUST_CHECK enum mrc_status mrc_net_identify(struct mrc_net_identity *out, const char *path,
                                                struct mrc_error *err);

/** Is it the same image in another transfer syntax, both without loss? All that they say of it is
 * compared, and the pixels where neither is compressed: no codec is run here. False where that
 * cannot be told. */
bool mrc_net_is_recoded(const char *path, const char *other);

enum {
    MRC_NET_SUCCESS = 0x0000,
    MRC_NET_NO_RESOURCES = 0xA700,
    MRC_NET_NOT_OF_CLASS = 0xA900,
    MRC_NET_NOT_UNDERSTOOD = 0xC000,
    MRC_NET_DIFFERS = 0xC111 /* another image of this SOP instance UID is here, and stays */
};

/** An object on its way in. Texts are what the peer said: nothing to build a path from. */
struct mrc_net_object {
    const char *sop_class, *sop_instance;
};
/** What the caller decides. All are called in the thread of mrc_net_accept. */
struct mrc_net_receiver {
    void *context;
    /** May this application entity store here? */
    bool (*admit)(void *context, const char *calling);
    /** Where to write the object: a path that does not exist yet. Another status than success: it
     * is refused. */
    uint16_t (*begin)(void *context, const struct mrc_net_object *object, const char **path);
    /** The file is whole and synced: takes it, and returns the answer. */
    uint16_t (*end)(void *context, const struct mrc_net_object *object, const char *path);
    /** The object is refused with this answer before it came to `end`: by `begin`, for its class or
     * length, or because its file could not be written. */
    void (*refuse)(void *context, uint16_t answer);
    /** The peer asks to end the association in good order. It is told that it may afterwards. */
    void (*release)(void *context);
};

/* --- Asking a peer for what it has (SCU of Query/Retrieve, study root) --- */

/** One of the three names what is wanted; no wildcards. */
struct mrc_net_query {
    char patient[MRC_NET_UID_TEXT], study[MRC_NET_UID_TEXT], accession[17];
};
/** "" where the peer does not say. */
struct mrc_net_match {
    char study[MRC_NET_UID_TEXT], series[MRC_NET_UID_TEXT], instance[MRC_NET_UID_TEXT];
    char modality[17], description[65];
};
/** An association that proposes to find, and to move or (`move` false) to get, for which MR images
 * are taken in every transfer syntax that a node takes. As mrc_net_connect. */
MRC_MUST_CHECK enum mrc_status mrc_net_connect_query(mrc_net_association **out,
                                                     const struct mrc_net_peer *peer, bool move,
                                                     struct mrc_error *err);
/** C-FIND. `take` gets each match; what it returns other than MRC_OK ends the search with it.
 *  Studies: those of the query, and no others, whatever the peer answers. MRC_ERR_PEER when it
 *  refuses; MRC_ERR_RANGE when there are more than `most`. */
typedef enum mrc_status mrc_net_take_match(void *context, const struct mrc_net_match *match,
                                           struct mrc_error *err);
MRC_MUST_CHECK enum mrc_status mrc_net_find_studies(mrc_net_association *association,
                                                    const struct mrc_net_query *query, int64_t most,
                                                    mrc_net_take_match *take, void *context,
                                                    struct mrc_error *err);
/** The series of a study, or with a series its instances. */
MRC_MUST_CHECK enum mrc_status mrc_net_find_below(mrc_net_association *association,
                                                  const char *study, const char *series,
                                                  int64_t most, mrc_net_take_match *take,
                                                  void *context, struct mrc_error *err);
/** Instances of a series, at most some hundred at once. */
struct mrc_net_wanted {
    const char *study, *series;
    const char *const *instances;
    size_t count;
};
/** C-GET: objects go to the receiver's begin, end and refuse; its admit and release are not called.
 * MRC_OK: the peer says that it is through, whatever came. */
MRC_MUST_CHECK enum mrc_status mrc_net_get(mrc_net_association *association,
                                           const struct mrc_net_wanted *wanted,
                                           const struct mrc_net_receiver *receiver,
                                           uint64_t max_object_bytes, struct mrc_error *err);
/** C-MOVE to an application entity, which takes the objects by itself. The same. */
MRC_MUST_CHECK enum mrc_status mrc_net_move(mrc_net_association *association,
                                            const struct mrc_net_wanted *wanted,
                                            const char *destination, struct mrc_error *err);

/* --- A node --- */

struct mrc_net_node {
    char aet[MRC_AET_TEXT]; /* another called title is rejected */
    struct mrc_net_tls tls;
    int acse_s, dimse_s;       /* acse_s: from the first byte, of TLS too, to the association */
    double idle_s;             /* longest wait for an image, whatever else is said */
    double min_bytes_s;        /* slowest that a message may come, on average over dimse_s */
    uint64_t max_object_bytes; /* a longer object is read to its end and refused (C000) */
};
/** Speaks with a peer over an accepted socket until the association has ended: C-ECHO, and C-STORE
 * of MR images, byte by byte as they were sent, in Part 10 files. A command set of more than 64 KiB
 * and a peer that is too slow end the association. Takes the socket over. To be called once in a
 * process of its own (mrc_isolate_start): it sets globals of DCMTK, and the bytes are a stranger's.
 * `calling` receives the peer's title for the log. MRC_OK: released. */
MRC_MUST_CHECK enum mrc_status mrc_net_accept(char calling[MRC_AET_TEXT], int socket,
                                              const struct mrc_net_node *node,
                                              const struct mrc_net_receiver *receiver,
                                              struct mrc_error *err);
/** Can the TLS files be used? Loads them as mrc_net_connect (client) or mrc_net_accept would. */
MRC_MUST_CHECK enum mrc_status mrc_net_check_tls(const struct mrc_net_tls *tls, bool server,
                                                 struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
