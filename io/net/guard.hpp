// guard.hpp: what stands between a stranger's socket and DCMTK, which bounds neither how long a
// peer may take nor how much it may say before the first image.
#ifndef MRC_IO_NET_GUARD_HPP
#define MRC_IO_NET_GUARD_HPP

#include <pthread.h>

#include <cstdint>
#include <memory>

#include "io/net/tls.hpp"

/* Follows the peer's stream of PDUs (PS3.8, 9.3) as it comes, in pieces of any size. */
class mrc_net_stream {
  public:
    /* False: more than a peer may say; `why` tells. */
    bool take(const unsigned char *at, size_t count);
    /* In the middle of a PDU, or of a command or data set of several. */
    bool within() const { return have_ > 0 || skip_ > 0 || in_data_ || fragments_; }
    const char *why() const { return why_; }

  private:
    bool begin_pdu();
    bool begin_value();
    unsigned char head_[6] = {0};
    size_t have_ = 0;        // bytes of the head
    uint64_t skip_ = 0;      // of the value that is passed over
    uint64_t left_ = 0;      // of the P-DATA-TF after the value
    uint64_t command_ = 0;   // bytes of the command set so far
    bool in_data_ = false;   // between the values of a P-DATA-TF
    bool fragments_ = false; // the last value was not the last of its command or data set
    const char *why_ = "";
};

/* The clock of one association. It shuts the socket, so that whatever waits there ends with an
 * error, be it DCMTK or OpenSSL. Time during which the peer is not waited for does not count. */
class mrc_net_guard {
  public:
    mrc_net_guard(int socket, const mrc_net_node &node);
    ~mrc_net_guard();
    mrc_net_guard(const mrc_net_guard &) = delete;
    mrc_net_guard &operator=(const mrc_net_guard &) = delete;
    /* From now on the times between messages count. */
    void associated();
    /* An image came whole, and was taken. */
    void stored();
    /* Why the socket was shut; "": it was not. */
    std::string why();
    /* Makes connections that are watched, over `tls` where it is not null. */
    DcmTransportLayer &layer(DcmTLSTransportLayer *tls);

    /* For the connection. */
    void wait(bool waiting);
    bool took(const void *bytes, size_t count);

  private:
    static void *run(void *guard);
    void tick(double seconds);
    void shut(const char *why);
    const mrc_net_node &node_;
    const int socket_;
    std::unique_ptr<DcmTransportLayer> layer_;
    mrc_net_stream stream_; // of the thread that reads alone
    pthread_t thread_{};
    bool runs_ = false;
    pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER; // of all that follows
    bool ended_ = false, associated_ = false, waiting_ = false, within_ = false;
    double quiet_s_ = 0.0;  // waited without an association, or without an image
    double window_s_ = 0.0; // waited within a message, and what came meanwhile
    uint64_t window_bytes_ = 0;
    const char *why_ = "";
};

#endif
