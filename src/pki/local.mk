# sources of src/pki
noinst_HEADERS += src/pki/signer.h src/pki/oid.h src/pki/der.h src/pki/spki.h src/pki/keyfile.h \
    src/pki/holding.h src/pki/certificate.h src/pki/endorsement.h src/pki/delegation.h \
    src/pki/request.h src/pki/chain.h
