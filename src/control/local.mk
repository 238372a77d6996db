# sources of src/control
