// retrieve.cpp: what a peer has, and to have it sent. DCMTK's own requests are not used: they keep
// all answers, however many, and take any message for one of theirs.
#include "io/net/scu.hpp"

#include <cstdio>
#include <cstring>
#include <ctime>

#include "io/dcmtk/handle.hpp"
#include "io/net/take.hpp"

namespace {

const char find_class[] = UID_FINDStudyRootQueryRetrieveInformationModel;
const char get_class[] = UID_GETStudyRootQueryRetrieveInformationModel;
const char move_class[] = UID_MOVEStudyRootQueryRetrieveInformationModel;

bool is_pending(DIC_US status) {
    return status == STATUS_Pending || status == STATUS_FIND_Pending_WarningUnsupportedOptionalKeys;
}

/* --- Contexts --- */

OFCondition propose_native(DcmSCU &scu, const char *sop_class, T_ASC_SC_ROLE role) {
    OFList<OFString> syntaxes;
    syntaxes.push_back(UID_LittleEndianExplicitTransferSyntax);
    syntaxes.push_back(UID_LittleEndianImplicitTransferSyntax);
    return scu.addPresentationContext(sop_class, syntaxes, role);
}

/* A peer picks one syntax of a context: each has one of its own, so that what lies compressed in an
 * archive comes as it lies. */
OFCondition propose_images(DcmSCU &scu) {
    OFCondition done = EC_Normal;
    for (int c = 0; done.good() && c < mrc_net_mr_class_count; ++c) {
        done = propose_native(scu, mrc_net_mr_classes[c], ASC_SC_ROLE_SCP);
        for (int s = 0; done.good() && s < mrc_net_syntax_count; ++s) {
            if (!DcmXfer(mrc_net_syntaxes[s]).isEncapsulated()) continue;
            OFList<OFString> syntax;
            syntax.push_back(mrc_net_syntaxes[s]);
            done = scu.addPresentationContext(mrc_net_mr_classes[c], syntax, ASC_SC_ROLE_SCP);
        }
    }
    return done;
}

mrc_status connect(mrc_net_association &a, const mrc_net_peer &peer, bool move, mrc_error *err) {
    mrc_net_prepare(a, peer);
    OFCondition done = propose_native(a.scu, find_class, ASC_SC_ROLE_DEFAULT);
    if (done.good())
        done = propose_native(a.scu, move ? move_class : get_class, ASC_SC_ROLE_DEFAULT);
    if (done.good() && !move) done = propose_images(a.scu);
    if (done.bad())
        return mrc_fail(err, MRC_ERR_NETWORK, "a presentation context cannot be proposed");
    return mrc_net_negotiate(a, peer, err);
}

mrc_status choose(T_ASC_PresentationContextID &out, mrc_net_association &a, const char *sop_class,
                  const char *what, mrc_error *err) {
    out = a.scu.findPresentationContextID(sop_class, UID_LittleEndianExplicitTransferSyntax);
    if (out == 0)
        out = a.scu.findPresentationContextID(sop_class, UID_LittleEndianImplicitTransferSyntax);
    return out != 0 ? MRC_OK
                    : mrc_fail(err, MRC_ERR_PEER, "%s: does not let us %s", a.name.c_str(), what);
}

mrc_status broke(const mrc_net_association &a, const OFCondition &why, mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NETWORK, "%s: the association broke: %s", a.name.c_str(),
                    mrc_net_words(why.text()).c_str());
}

/* --- Messages --- */

OFCondition say(mrc_net_association &a, T_ASC_PresentationContextID context,
                T_DIMSE_Message &message, DcmDataset &identifier) {
    return DIMSE_sendMessageUsingMemoryData(mrc_net_raw(a), context, &message, nullptr, &identifier,
                                            nullptr, nullptr);
}

int patience(mrc_net_association &a) {
    return static_cast<int>(a.scu.getDIMSETimeout());
}

OFCondition hear(T_DIMSE_Message &message, T_ASC_PresentationContextID &context,
                 mrc_net_association &a) {
    DcmDataset *detail = nullptr;
    const OFCondition done = DIMSE_receiveCommand(mrc_net_raw(a), DIMSE_NONBLOCKING, patience(a),
                                                  &context, &message, &detail);
    delete detail;
    return done;
}

OFCondition hear_dataset(std::unique_ptr<DcmDataset> &out, T_ASC_PresentationContextID context,
                         mrc_net_association &a) {
    DcmDataset *dataset = nullptr;
    const OFCondition done = DIMSE_receiveDataSetInMemory(
        mrc_net_raw(a), DIMSE_NONBLOCKING, patience(a), &context, &dataset, nullptr, nullptr);
    out.reset(dataset);
    return done;
}

/* --- Finding --- */

struct search {
    mrc_net_association &a;
    DcmDataset keys;
    int64_t most;
    mrc_net_take_match *take;
    void *context;
    const mrc_net_query *query; // null: below a study
};

template <size_t size> void read(char (&out)[size], DcmDataset &from, const DcmTagKey &tag) {
    OFString text;
    out[0] = '\0';
    if (from.findAndGetOFString(tag, text).bad() || text.size() >= size) return;
    size_t length = text.size();
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\0')) --length;
    std::memcpy(out, text.c_str(), length);
    out[length] = '\0';
}

/* A peer that does not know a key answers as if it had not been asked for. */
bool is_asked_for(const mrc_net_query &query, DcmDataset &answer) {
    char patient[MRC_NET_UID_TEXT], study[MRC_NET_UID_TEXT], accession[17];
    read(patient, answer, DCM_PatientID);
    read(study, answer, DCM_StudyInstanceUID);
    read(accession, answer, DCM_AccessionNumber);
    return (query.patient[0] == '\0' || std::strcmp(query.patient, patient) == 0) &&
           (query.study[0] == '\0' || std::strcmp(query.study, study) == 0) &&
           (query.accession[0] == '\0' || std::strcmp(query.accession, accession) == 0);
}

mrc_status take_match(search &s, DcmDataset &answer, mrc_error *err) {
    mrc_net_match match{};
    if (s.query != nullptr && !is_asked_for(*s.query, answer)) return MRC_OK;
    read(match.study, answer, DCM_StudyInstanceUID);
    read(match.series, answer, DCM_SeriesInstanceUID);
    read(match.instance, answer, DCM_SOPInstanceUID);
    read(match.modality, answer, DCM_Modality);
    read(match.description, answer, DCM_SeriesDescription);
    return s.take(s.context, &match, err);
}

mrc_status find(search &s, mrc_error *err) {
    T_ASC_PresentationContextID context = 0;
    mrc_status status = choose(context, s.a, find_class, "find (C-FIND, study root)", err);
    if (status != MRC_OK) return status;
    T_DIMSE_Message message{};
    message.CommandField = DIMSE_C_FIND_RQ;
    message.msg.CFindRQ.MessageID = ++s.a.scu.number;
    message.msg.CFindRQ.Priority = DIMSE_PRIORITY_MEDIUM;
    message.msg.CFindRQ.DataSetType = DIMSE_DATASET_PRESENT;
    OFStandard::strlcpy(message.msg.CFindRQ.AffectedSOPClassUID, find_class,
                        sizeof message.msg.CFindRQ.AffectedSOPClassUID);
    OFCondition done = say(s.a, context, message, s.keys);
    for (int64_t count = 0; done.good();) {
        T_DIMSE_Message answered{};
        std::unique_ptr<DcmDataset> answer;
        done = hear(answered, context, s.a);
        const T_DIMSE_C_FindRSP &response = answered.msg.CFindRSP;
        if (done.good() && (answered.CommandField != DIMSE_C_FIND_RSP ||
                            response.MessageIDBeingRespondedTo != s.a.scu.number))
            done = DIMSE_BADMESSAGE;
        if (done.good() && response.DataSetType != DIMSE_DATASET_NULL)
            done = hear_dataset(answer, context, s.a);
        if (done.bad()) break;
        if (response.DimseStatus == STATUS_Success) return MRC_OK;
        if (!is_pending(response.DimseStatus))
            return mrc_fail(err, MRC_ERR_PEER, "%s: the search was answered with status %04X",
                            s.a.name.c_str(), static_cast<unsigned>(response.DimseStatus));
        if (++count > s.most)
            return mrc_fail(err, MRC_ERR_RANGE, "%s: more than %lld answers to a search",
                            s.a.name.c_str(), static_cast<long long>(s.most));
        if (answer) status = take_match(s, *answer, err);
        if (status != MRC_OK) return status;
    }
    return broke(s.a, done, err);
}

void ask_for(DcmDataset &keys, const DcmTagKey &tag, const char *value) {
    (void)keys.putAndInsertString(tag, value);
}

/* --- Retrieving --- */

std::string joined(const mrc_net_wanted &wanted) {
    std::string text;
    for (size_t i = 0; i < wanted.count; ++i) {
        if (i > 0) text += '\\';
        text += wanted.instances[i];
    }
    return text;
}

void name_wanted(DcmDataset &keys, const mrc_net_wanted &wanted) {
    ask_for(keys, DCM_QueryRetrieveLevel, "IMAGE");
    ask_for(keys, DCM_StudyInstanceUID, wanted.study);
    ask_for(keys, DCM_SeriesInstanceUID, wanted.series);
    ask_for(keys, DCM_SOPInstanceUID, joined(wanted).c_str());
}

/* Of a C-GET or C-MOVE the same fields at the same places of two records. */
struct progress {
    DIC_US number, status;
    T_DIMSE_DataSetType dataset;
};

mrc_status judge(const mrc_net_association &a, DIC_US status, mrc_error *err) {
    /* B000: through, but not all could be sent; what is missing is seen by who asked */
    if (status == STATUS_Success || status >> 12 == 0xB) return MRC_OK;
    const bool may_pass = status >> 8 == 0xA7;
    return mrc_fail(err, may_pass ? MRC_ERR_NETWORK : MRC_ERR_PEER,
                    "%s: retrieving was answered with status %04X%s", a.name.c_str(),
                    static_cast<unsigned>(status),
                    status == 0xA801 ? ": it does not know where we are" : "");
}

/* Until the last answer to the request. `taking` null: no object is to come here. */
mrc_status follow(mrc_net_association &a, const mrc_net_taking *taking, T_DIMSE_Command answer_kind,
                  mrc_error *err) {
    const Uint16 number = a.scu.number;
    OFCondition done = EC_Normal;
    while (done.good()) {
        T_ASC_PresentationContextID context = 0;
        T_DIMSE_Message message{};
        done = hear(message, context, a);
        if (done.bad()) break;
        if (message.CommandField == DIMSE_C_STORE_RQ && taking != nullptr) {
            bool stored = false;
            done =
                mrc_net_take_object(stored, mrc_net_raw(a), *taking, message.msg.CStoreRQ, context);
            continue;
        }
        const bool get = answer_kind == DIMSE_C_GET_RSP;
        const T_DIMSE_C_GetRSP &got = message.msg.CGetRSP;
        const T_DIMSE_C_MoveRSP &moved = message.msg.CMoveRSP;
        const progress p =
            get ? progress{got.MessageIDBeingRespondedTo, got.DimseStatus, got.DataSetType}
                : progress{moved.MessageIDBeingRespondedTo, moved.DimseStatus, moved.DataSetType};
        if (message.CommandField != answer_kind || p.number != number) {
            done = DIMSE_BADMESSAGE;
            break;
        }
        std::unique_ptr<DcmDataset> failed; // UIDs, which is no news
        if (p.dataset != DIMSE_DATASET_NULL) done = hear_dataset(failed, context, a);
        if (done.good() && !is_pending(p.status)) return judge(a, p.status, err);
    }
    return broke(a, done, err);
}

mrc_status get(mrc_net_association &a, const mrc_net_wanted &wanted, const mrc_net_taking &taking,
               mrc_error *err) {
    T_ASC_PresentationContextID context = 0;
    const mrc_status status = choose(context, a, get_class, "get (C-GET, study root)", err);
    if (status != MRC_OK) return status;
    DcmDataset keys;
    name_wanted(keys, wanted);
    T_DIMSE_Message message{};
    message.CommandField = DIMSE_C_GET_RQ;
    message.msg.CGetRQ.MessageID = ++a.scu.number;
    message.msg.CGetRQ.Priority = DIMSE_PRIORITY_MEDIUM;
    message.msg.CGetRQ.DataSetType = DIMSE_DATASET_PRESENT;
    OFStandard::strlcpy(message.msg.CGetRQ.AffectedSOPClassUID, get_class,
                        sizeof message.msg.CGetRQ.AffectedSOPClassUID);
    const OFCondition done = say(a, context, message, keys);
    return done.good() ? follow(a, &taking, DIMSE_C_GET_RSP, err) : broke(a, done, err);
}

mrc_status move(mrc_net_association &a, const mrc_net_wanted &wanted, const char *destination,
                mrc_error *err) {
    T_ASC_PresentationContextID context = 0;
    const mrc_status status = choose(context, a, move_class, "move (C-MOVE, study root)", err);
    if (status != MRC_OK) return status;
    DcmDataset keys;
    name_wanted(keys, wanted);
    T_DIMSE_Message message{};
    message.CommandField = DIMSE_C_MOVE_RQ;
    message.msg.CMoveRQ.MessageID = ++a.scu.number;
    message.msg.CMoveRQ.Priority = DIMSE_PRIORITY_MEDIUM;
    message.msg.CMoveRQ.DataSetType = DIMSE_DATASET_PRESENT;
    OFStandard::strlcpy(message.msg.CMoveRQ.AffectedSOPClassUID, move_class,
                        sizeof message.msg.CMoveRQ.AffectedSOPClassUID);
    OFStandard::strlcpy(message.msg.CMoveRQ.MoveDestination, destination,
                        sizeof message.msg.CMoveRQ.MoveDestination);
    const OFCondition done = say(a, context, message, keys);
    return done.good() ? follow(a, nullptr, DIMSE_C_MOVE_RSP, err) : broke(a, done, err);
}

} // namespace

extern "C" {

mrc_status mrc_net_connect_query(mrc_net_association **out, const mrc_net_peer *peer, bool move,
                                 mrc_error *err) {
    *out = nullptr;
    return guarded(peer->host, err, [&] {
        mrc_status status = mrc_dcmtk_start(err);
        if (status != MRC_OK) return status;
        auto association = std::make_unique<mrc_net_association>();
        status = connect(*association, *peer, move, err);
        if (status == MRC_OK) *out = association.release();
        return status;
    });
}

mrc_status mrc_net_find_studies(mrc_net_association *association, const mrc_net_query *query,
                                int64_t most, mrc_net_take_match *take, void *context,
                                mrc_error *err) {
    return guarded(association->name.c_str(), err, [&] {
        search s{*association, DcmDataset(), most, take, context, query};
        ask_for(s.keys, DCM_QueryRetrieveLevel, "STUDY");
        ask_for(s.keys, DCM_PatientID, query->patient);
        ask_for(s.keys, DCM_StudyInstanceUID, query->study);
        ask_for(s.keys, DCM_AccessionNumber, query->accession);
        return find(s, err);
    });
}

mrc_status mrc_net_find_below(mrc_net_association *association, const char *study,
                              const char *series, int64_t most, mrc_net_take_match *take,
                              void *context, mrc_error *err) {
    return guarded(association->name.c_str(), err, [&] {
        search s{*association, DcmDataset(), most, take, context, nullptr};
        ask_for(s.keys, DCM_QueryRetrieveLevel, series == nullptr ? "SERIES" : "IMAGE");
        ask_for(s.keys, DCM_StudyInstanceUID, study);
        ask_for(s.keys, DCM_SeriesInstanceUID, series == nullptr ? "" : series);
        if (series == nullptr) {
            ask_for(s.keys, DCM_Modality, "");
            ask_for(s.keys, DCM_SeriesDescription, "");
        } else {
            ask_for(s.keys, DCM_SOPInstanceUID, "");
        }
        return find(s, err);
    });
}

mrc_status mrc_net_get(mrc_net_association *association, const mrc_net_wanted *wanted,
                       const mrc_net_receiver *receiver, uint64_t max_object_bytes,
                       mrc_error *err) {
    return guarded(association->name.c_str(), err, [&] {
        const mrc_net_taking taking{*receiver, max_object_bytes, patience(*association)};
        return get(*association, *wanted, taking, err);
    });
}

mrc_status mrc_net_move(mrc_net_association *association, const mrc_net_wanted *wanted,
                        const char *destination, mrc_error *err) {
    return guarded(association->name.c_str(), err,
                   [&] { return move(*association, *wanted, destination, err); });
}

} // extern "C"
