# sources of src/emulator
