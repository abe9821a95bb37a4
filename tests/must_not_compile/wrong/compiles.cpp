// expect: a sentence that nobody says
// Wrong: it compiles.
int main() {}
