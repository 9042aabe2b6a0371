"""Information flow of a text-to-image model: what each word of a prompt contributes."""
