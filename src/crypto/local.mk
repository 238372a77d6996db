# sources of src/crypto
