"""Polish slang: the glossary, and the inflected forms that its terms take."""
