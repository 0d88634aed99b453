// guard.cpp: see guard.hpp. A thread of its own keeps the time: a signal would break into the reads
// of OpenSSL, and time-outs of the socket begin anew with every byte of a peer that dribbles.
#include "io/net/guard.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>

#include <sys/socket.h>

namespace {

constexpr uint64_t max_command_bytes = uint64_t{64} << 10;
constexpr uint64_t max_other_pdu_bytes = uint64_t{256} << 10; // 128 contexts need less
constexpr unsigned char p_data_tf = 4;
constexpr long tick_ms = 100;
constexpr size_t stack_bytes = size_t{256} << 10;

uint64_t big_endian(const unsigned char *p) {
    return uint64_t{p[0]} << 24 | uint64_t{p[1]} << 16 | uint64_t{p[2]} << 8 | p[3];
}

double now_s() {
    timespec now{};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct lock {
    explicit lock(pthread_mutex_t &mutex) : mutex_(mutex) { (void)pthread_mutex_lock(&mutex_); }
    ~lock() { (void)pthread_mutex_unlock(&mutex_); }
    lock(const lock &) = delete;
    lock &operator=(const lock &) = delete;

  private:
    pthread_mutex_t &mutex_;
};

/* A connection as DCMTK made it, whose reads the guard sees. */
class watched : public DcmTransportConnection {
  public:
    watched(DcmTransportConnection *inner, int socket, mrc_net_guard &guard)
        : DcmTransportConnection(socket), inner_(inner), guard_(guard) {}
    OFCondition serverSideHandshake() override {
        guard_.wait(true);
        const OFCondition done = inner_->serverSideHandshake();
        guard_.wait(false);
        return done;
    }
    OFCondition clientSideHandshake() override { return inner_->clientSideHandshake(); }
    OFCondition renegotiate(const char *suite) override { return inner_->renegotiate(suite); }
    ssize_t read(void *buf, size_t nbyte) override {
        guard_.wait(true);
        const ssize_t got = inner_->read(buf, nbyte);
        const int cause = errno;
        guard_.wait(false);
        if (got > 0 && !guard_.took(buf, static_cast<size_t>(got))) {
            errno = ECONNABORTED;
            return -1;
        }
        errno = cause;
        return got;
    }
    ssize_t write(void *buf, size_t nbyte) override { return inner_->write(buf, nbyte); }
    void close() override { inner_->close(); }
    void closeTransportConnection() override { inner_->closeTransportConnection(); }
    unsigned long getPeerCertificateLength() override { return inner_->getPeerCertificateLength(); }
    unsigned long getPeerCertificate(void *buf, unsigned long size) override {
        return inner_->getPeerCertificate(buf, size);
    }
    OFBool networkDataAvailable(int timeout) override {
        guard_.wait(true);
        const OFBool there = inner_->networkDataAvailable(timeout);
        guard_.wait(false);
        return there;
    }
    OFBool isTransparentConnection() override { return inner_->isTransparentConnection(); }
    OFString &dumpConnectionParameters(OFString &text) override {
        return inner_->dumpConnectionParameters(text);
    }

  private:
    std::unique_ptr<DcmTransportConnection> inner_;
    mrc_net_guard &guard_;
};

class watched_layer : public DcmTransportLayer {
  public:
    watched_layer(DcmTLSTransportLayer *tls, mrc_net_guard &guard) : tls_(tls), guard_(guard) {}
    DcmTransportConnection *createConnection(DcmNativeSocketType socket, OFBool secure) override {
        DcmTransportConnection *inner = tls_ != nullptr
                                            ? tls_->createConnection(socket, secure)
                                            : DcmTransportLayer::createConnection(socket, secure);
        return inner != nullptr ? new watched(inner, socket, guard_) : nullptr;
    }

  private:
    DcmTLSTransportLayer *tls_;
    mrc_net_guard &guard_;
};

} // namespace

// --- the stream

bool mrc_net_stream::take(const unsigned char *at, size_t count) {
    while (count > 0) {
        if (skip_ > 0) {
            const size_t some = static_cast<size_t>(std::min(skip_, uint64_t{count}));
            skip_ -= some;
            at += some;
            count -= some;
            continue;
        }
        head_[have_++] = *at++;
        --count;
        if (have_ < sizeof head_) continue;
        have_ = 0;
        if (!(in_data_ ? begin_value() : begin_pdu())) return false;
    }
    return true;
}

bool mrc_net_stream::begin_pdu() {
    const uint64_t length = big_endian(head_ + 2);
    if (head_[0] == p_data_tf) {
        left_ = length;
        in_data_ = left_ > 0;
        return true;
    }
    skip_ = length;
    if (length <= max_other_pdu_bytes) return true;
    why_ = "a PDU of more than 256 KiB before there is anything to store";
    return false;
}

/* The head of a presentation data value: its length, context, and what it is (PS3.8, E.2). */
bool mrc_net_stream::begin_value() {
    const uint64_t length = big_endian(head_);
    if (length < 2 || length + 4 > left_) {
        why_ = "a data value that does not fit into its PDU";
        return false;
    }
    const bool is_command = (head_[5] & 1) != 0, is_last = (head_[5] & 2) != 0;
    skip_ = length - 2;
    left_ -= length + 4;
    in_data_ = left_ > 0;
    fragments_ = !is_last;
    if (!is_command) return true;
    command_ += skip_;
    if (command_ > max_command_bytes) {
        why_ = "a command set of more than 64 KiB";
        return false;
    }
    if (is_last) command_ = 0;
    return true;
}

// --- the clock

mrc_net_guard::mrc_net_guard(int socket, const mrc_net_node &node) : node_(node), socket_(socket) {
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) throw std::bad_alloc();
    (void)pthread_attr_setstacksize(&attributes, stack_bytes);
    runs_ = pthread_create(&thread_, &attributes, run, this) == 0;
    (void)pthread_attr_destroy(&attributes);
    if (!runs_) throw std::bad_alloc(); // nobody is served without a clock
}

mrc_net_guard::~mrc_net_guard() {
    {
        const lock held(mutex_);
        ended_ = true;
    }
    (void)pthread_join(thread_, nullptr);
}

/* Allocates nothing: a second arena of the heap would not fit into the memory of an association. */
void *mrc_net_guard::run(void *context) {
    auto &guard = *static_cast<mrc_net_guard *>(context);
    const timespec pause{0, tick_ms * 1000000};
    double before = now_s();
    for (;;) {
        (void)nanosleep(&pause, nullptr);
        const double now = now_s();
        const lock held(guard.mutex_);
        if (guard.ended_) return nullptr;
        guard.tick(std::min(now - before, 2e-3 * tick_ms)); // while we did not run it had no chance
        before = now;
    }
}

void mrc_net_guard::tick(double seconds) {
    if (!waiting_ || why_[0] != '\0') return;
    quiet_s_ += seconds;
    if (!associated_) {
        if (quiet_s_ > node_.acse_s) shut("no association in time");
        return;
    }
    if (!within_) {
        if (quiet_s_ > node_.idle_s) shut("no image in time");
        return;
    }
    window_s_ += seconds;
    if (window_s_ < node_.dimse_s) return;
    if (static_cast<double>(window_bytes_) < node_.min_bytes_s * window_s_)
        shut("slower than the least rate");
    window_s_ = 0.0;
    window_bytes_ = 0;
}

void mrc_net_guard::shut(const char *why) {
    why_ = why;
    (void)shutdown(socket_, SHUT_RDWR);
}

void mrc_net_guard::associated() {
    const lock held(mutex_);
    associated_ = true;
    quiet_s_ = 0.0;
}

void mrc_net_guard::stored() {
    const lock held(mutex_);
    quiet_s_ = 0.0;
}

void mrc_net_guard::wait(bool waiting) {
    const lock held(mutex_);
    waiting_ = waiting;
}

bool mrc_net_guard::took(const void *bytes, size_t count) {
    const bool may = stream_.take(static_cast<const unsigned char *>(bytes), count);
    const lock held(mutex_);
    const bool within = stream_.within();
    if (within && !within_) {
        window_s_ = 0.0;
        window_bytes_ = 0;
    }
    within_ = within;
    window_bytes_ += count;
    if (!may && why_[0] == '\0') shut(stream_.why());
    return may;
}

std::string mrc_net_guard::why() {
    const lock held(mutex_);
    return why_;
}

DcmTransportLayer &mrc_net_guard::layer(DcmTLSTransportLayer *tls) {
    layer_ = std::make_unique<watched_layer>(tls, *this);
    return *layer_;
}
