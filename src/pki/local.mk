# sources of src/pki
noinst_HEADERS += src/pki/signer.h
