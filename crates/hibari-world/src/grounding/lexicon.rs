//! Words and phrases of prompts, and what they mean: the vocabulary's tables, inflected, and the words of grammar.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::grammar::participle;
use crate::vocabulary::{
    Action, Angle, Bottom, CameraMove, Colour, Expression, Facing, Footwear, Framing, Ground, Hair,
    Item, Kind, Lane, Light, Material, Mix, Place, Relation, Size, Subject, Term, Top, Weather,
};

/// What a word or phrase means by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Place(Place),
    /// A thing that is found in a place, which counts if no place is named.
    Hint(Place),
    Subject(Subject),
    /// A noun that names only a kind: person, animal, vehicle, thing.
    Kind(Kind),
    Colour(Colour),
    Top(Top),
    Bottom(Bottom),
    Footwear(Footwear),
    Item(Item),
    /// Hair of a given colour, in one word or phrase.
    Hair(Hair),
    HairNoun,
    /// Fur, paint, surface, size: a noun whose adjectives belong to its owner.
    Part,
    Material(Material),
    Size(Size),
    /// A size or a framing, as the sentence has it.
    Medium,
    Action(Action, VerbForm),
    /// Collides, and with whom is said next.
    CollidesWith(VerbForm),
    Expression(Expression),
    /// A drinking glass, or what a thing is made of.
    Glass,
    Relation(Relation),
    Facing(Facing),
    Lane(Lane),
    Light(Light),
    Weather(Weather),
    Ground(Ground),
    /// A camera move; if not sure, only when the sentence speaks of the camera.
    Camera(CameraMove, Sure),
    CameraNoun,
    Framing(Framing),
    Angle(Angle),
    Number(u32),
    /// Background people, and how many the word means without a number.
    People(u32),
    /// Background animals, likewise.
    Animals(u32),
    Pronoun(Gender),
    Not,
    Article(Definite),
    And,
    Of,
    Preposition,
    /// A function word without a meaning of its own.
    Stop,
    /// Comma.
    Pause,
    /// Full stop and the like.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VerbForm {
    Base,
    ThirdPerson,
    Participle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sure {
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Definite {
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gender {
    She,
    He,
    It,
    They,
}

/// A word or phrase of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Known(Meaning),
    Unknown(String),
}

/// Words that may stand inside a phrase without changing it.
const SKIPPED: [&str; 12] = [
    "slowly", "quickly", "gently", "smoothly", "very", "quite", "really", "slightly", "softly",
    "fast", "then", "steadily",
];

/// Function words, and words of films that state nothing.
const STOP: &str = "is are was were be been being am has have had having do does did done to too as that which who \
    whom whose what when while where there here also just only still so than both each every all any other others \
    else own same such more most much this these those it's let make makes made making show shows showing shown see \
    seen sees we us our you your i my me please want wants like style scene scenes video clip film movie footage \
    animation picture image frame photo background foreground set model stage everything everyone look looks looking \
    looked appear appears move moves moving go goes going gone come comes coming head heads heading stay stays stayed \
    staying keep keeps keeping remain remains around about up off away forward forwards hand hands wear wears wearing \
    wore worn dress-up dressed clad carry carries carrying hold holds holding face faces facing turn turns turned \
    turning pass passes passing reflect shine shines shining line lines lined fill fills filled full glow glows \
    glowing paint painted light lights lit furry signs sign body outfit clothes clothing sky air weather ground floor \
    surface pavement asphalt road-surface long seen time side middle top left-over level kind sort lot there's whole \
    entire can could will would may might must should if but or nor because during ... start starts end ends first firstly \
    next later afterwards finally lastly";

const PREPOSITIONS: &str = "in on at with within into onto inside outside from down along through across over under \
    above below by for towards toward upon past after before";

/// Verbs whose third person or participle are not regular: the form, and the base.
const IRREGULAR: [(&str, Action, VerbForm); 7] = [
    ("ran", Action::Run, VerbForm::ThirdPerson),
    ("stood", Action::Stand, VerbForm::ThirdPerson),
    ("sat", Action::Sit, VerbForm::ThirdPerson),
    ("seated", Action::Sit, VerbForm::Participle),
    ("drove", Action::Drive, VerbForm::ThirdPerson),
    ("fell", Action::Fall, VerbForm::ThirdPerson),
    ("slid", Action::Slide, VerbForm::ThirdPerson),
];

/// More of them in [`Mix::Whole`].
const MORE_IRREGULAR: [(&str, Action, VerbForm); 5] = [
    ("flew", Action::Fly, VerbForm::ThirdPerson),
    ("broke", Action::Shatter, VerbForm::ThirdPerson),
    ("swung", Action::Swing, VerbForm::ThirdPerson),
    ("danced", Action::Dance, VerbForm::ThirdPerson),
    ("landed", Action::Land, VerbForm::ThirdPerson),
];

/// Function words of [`Mix::Whole`].
const MORE_STOP: &str = "seems lie lies lying covered distance mountains mountain tall earth image late clothes feathered shakes shaking films \
    filmed appear appears space high landscape young old big-eyed stylish beautiful little-bit \
    bright strong soft weak warm dim deep flat shadow shadows give gives leave leaves lead leads front foam moss path way \
    lamps rocks hills stars wall window windows";

/// Prepositions of [`Mix::Whole`].
const MORE_PREPOSITIONS: &str = "between among against amid around";

/// Things that hint at a place of [`Mix::Whole`].
const HINTS: [(&str, Place); 39] = [
    ("snow-covered", Place::Snowfield),
    ("road", Place::NeonStreet),
    ("avenue", Place::NeonStreet),
    ("grass", Place::Park),
    ("lawn", Place::Park),
    ("meadow", Place::Park),
    ("trees", Place::Park),
    ("tree", Place::Park),
    ("sand", Place::Beach),
    ("palms", Place::Beach),
    ("palm trees", Place::Beach),
    ("palm tree", Place::Beach),
    ("water", Place::Beach),
    ("ice", Place::Snowfield),
    ("snowy", Place::Snowfield),
    ("firs", Place::Forest),
    ("ferns", Place::Forest),
    ("craters", Place::Moon),
    ("cacti", Place::Desert),
    ("cactus", Place::Desert),
    ("dunes", Place::Desert),
    ("windowsill", Place::Tabletop),
    ("shop", Place::NeonStreet),
    ("shops", Place::NeonStreet),
    ("houses", Place::NeonStreet),
    ("awnings", Place::NeonStreet),
    ("benches", Place::Park),
    ("bushes", Place::Park),
    ("lamp", Place::Tabletop),
    ("cup", Place::Tabletop),
    ("books", Place::Tabletop),
    ("sunshades", Place::Beach),
    ("islands", Place::Beach),
    ("snowman", Place::Snowfield),
    ("snowdrifts", Place::Snowfield),
    ("mushrooms", Place::Forest),
    ("logs", Place::Forest),
    ("lander", Place::Moon),
    ("flag", Place::Moon),
];

type Table = BTreeMap<String, Meaning>;

/// Words and names of both languages.
#[derive(Debug)]
pub(super) struct Lexicon {
    english: Table,
    chinese: Table,
}

static FIRST: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::new(Mix::First));
static WHOLE: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::new(Mix::Whole));

/// Most words in a phrase of the lexicon.
const MAX_WORDS: usize = 5;
/// Most characters in a Chinese name.
const MAX_CHARS: usize = 6;

impl Lexicon {
    fn new(mix: Mix) -> Self {
        Self { english: english(mix), chinese: chinese(mix) }
    }

    /// The lexicon of a mix.
    pub(super) fn of(mix: Mix) -> &'static Self {
        match mix {
            Mix::First => &FIRST,
            Mix::Whole => &WHOLE,
        }
    }

    /// The meaning of one English word or phrase, in lower case.
    pub(super) fn meaning(&self, words: &str) -> Option<Meaning> {
        self.english.get(words).copied()
    }

    /// Cuts a text into known phrases (longest first), unknown words and borders.
    pub(super) fn tokens(&self, text: &str) -> Vec<Token> {
        let mut tokens = Vec::new();
        let mut words: Vec<String> = Vec::new();
        let chars: Vec<char> = text.chars().collect();
        let mut at = 0;
        while at < chars.len() {
            let c = chars[at];
            if is_chinese(c) {
                self.close(&mut words, &mut tokens);
                let run = chars[at..].iter().take_while(|c| is_chinese(**c)).count();
                self.cut_chinese(&chars[at..at + run], &mut tokens);
                at += run;
                continue;
            }
            // Latin letters that are part of a Chinese name, as in T恤.
            if let Some((meaning, n)) = self
                .chinese_at(&chars[at..])
                .filter(|(_, n)| chars[at..at + n].iter().any(|c| is_chinese(*c)))
            {
                self.close(&mut words, &mut tokens);
                tokens.push(Token::Known(meaning));
                at += n;
                continue;
            }
            match border(c) {
                Some(meaning) => {
                    self.close(&mut words, &mut tokens);
                    tokens.push(Token::Known(meaning));
                }
                None if is_word(c) => {
                    let run: String = chars[at..]
                        .iter()
                        .take_while(|c| is_word(**c) && !is_chinese(**c))
                        .flat_map(|c| c.to_lowercase())
                        .collect();
                    at +=
                        chars[at..].iter().take_while(|c| is_word(**c) && !is_chinese(**c)).count();
                    self.push_word(&run, &mut words);
                    continue;
                }
                None => {}
            }
            at += 1;
        }
        self.close(&mut words, &mut tokens);
        tokens
    }

    /// Adds a word, without its possessive ending; a hyphenated one that nobody knows is added in parts.
    fn push_word(&self, run: &str, words: &mut Vec<String>) {
        let word = run.replace('’', "'");
        let word = word.trim_matches(['-', '\'']);
        let word = word.strip_suffix("'s").unwrap_or(word);
        if word.is_empty() || SKIPPED.contains(&word) {
            return;
        }
        if let Some(stem) = word.strip_suffix("n't") {
            words.push(stem.to_owned());
            words.push("not".to_owned());
        } else if word.contains('-') && !self.english.contains_key(word) {
            words.extend(word.split('-').filter(|part| !part.is_empty()).map(str::to_owned));
        } else {
            words.push(word.to_owned());
        }
    }

    /// Turns the words since the last border into tokens.
    fn close(&self, words: &mut Vec<String>, tokens: &mut Vec<Token>) {
        let mut at = 0;
        while at < words.len() {
            let longest = (1..=MAX_WORDS.min(words.len() - at))
                .rev()
                .find_map(|n| self.meaning(&words[at..at + n].join(" ")).map(|known| (known, n)));
            match longest {
                Some((meaning, n)) => {
                    tokens.push(Token::Known(meaning));
                    at += n;
                }
                None => {
                    tokens.push(self.single(&words[at]));
                    at += 1;
                }
            }
        }
        words.clear();
    }

    /// A word that is in no phrase: perhaps a plural, or a number in digits.
    fn single(&self, word: &str) -> Token {
        if let Ok(number) = word.parse::<u32>() {
            return Token::Known(Meaning::Number(number));
        }
        let singular = word
            .strip_suffix("es")
            .and_then(|stem| self.meaning(stem))
            .or_else(|| word.strip_suffix('s').and_then(|stem| self.meaning(stem)));
        match singular {
            Some(known) if word.len() > 3 => Token::Known(known),
            Some(_) | None => Token::Unknown(word.to_owned()),
        }
    }

    fn chinese_at(&self, chars: &[char]) -> Option<(Meaning, usize)> {
        (1..=MAX_CHARS.min(chars.len())).rev().find_map(|n| {
            let name: String = chars[..n].iter().collect();
            self.chinese.get(&name).map(|meaning| (*meaning, n))
        })
    }

    fn cut_chinese(&self, chars: &[char], tokens: &mut Vec<Token>) {
        let mut unknown = String::new();
        let mut at = 0;
        while at < chars.len() {
            match self.chinese_at(&chars[at..]) {
                Some((meaning, n)) => {
                    if !unknown.is_empty() {
                        tokens.push(Token::Unknown(std::mem::take(&mut unknown)));
                    }
                    tokens.push(Token::Known(meaning));
                    at += n;
                }
                None => {
                    unknown.push(chars[at]);
                    at += 1;
                }
            }
        }
        if !unknown.is_empty() {
            tokens.push(Token::Unknown(unknown));
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '\'' | '’')
}

fn is_chinese(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}')
}

fn border(c: char) -> Option<Meaning> {
    match c {
        ',' | ':' | '，' | '、' | '：' | '(' | ')' | '—' | '–' => Some(Meaning::Pause),
        '.' | ';' | '!' | '?' | '\n' | '。' | '；' | '！' | '？' => Some(Meaning::End),
        _ => None,
    }
}

/// Adds `words` unless an earlier entry has them: what is added first wins.
fn add(table: &mut Table, words: &str, meaning: Meaning) {
    table.entry(words.to_owned()).or_insert(meaning);
}

/// Adds the entries of a table. In the whole vocabulary a name counts before another entry's synonym.
fn add_terms<T: Term>(mix: Mix, table: &mut Table, meaning: impl Fn(T) -> Meaning) {
    if mix == Mix::Whole {
        for &term in T::ALL {
            add(table, term.name(), meaning(term));
        }
    }
    for &term in T::of(mix) {
        add(table, term.name(), meaning(term));
        for synonym in term.synonyms() {
            add(table, synonym, meaning(term));
        }
    }
}

/// What only the whole vocabulary knows, and what it knows better.
fn add_more(table: &mut Table) {
    for (words, meaning) in [
        ("glass", Meaning::Glass),
        ("made of glass", Meaning::Material(Material::Glass)),
        ("of glass", Meaning::Material(Material::Glass)),
        ("of transparent glass", Meaning::Material(Material::Glass)),
        ("glass surface", Meaning::Material(Material::Glass)),
        ("animals", Meaning::Animals(2)),
        ("beasts", Meaning::Animals(2)),
        ("wild animals", Meaning::Animals(2)),
        ("pendulum", Meaning::Subject(Subject::Ball)),
        ("tower of boxes", Meaning::Subject(Subject::Box)),
        ("stack of boxes", Meaning::Subject(Subject::Box)),
        ("rain falls", Meaning::Weather(Weather::Rain)),
        ("rain is falling", Meaning::Weather(Weather::Rain)),
        ("falling rain", Meaning::Weather(Weather::Rain)),
        ("in the rain", Meaning::Weather(Weather::Rain)),
        ("snow falls", Meaning::Weather(Weather::Snow)),
        ("snow is falling", Meaning::Weather(Weather::Snow)),
        ("falling snow", Meaning::Weather(Weather::Snow)),
        ("under the moon", Meaning::Light(Light::Night)),
        ("full moon", Meaning::Light(Light::Night)),
        ("bird eye view", Meaning::Angle(Angle::High)),
        ("bird eye", Meaning::Angle(Angle::High)),
        ("worm eye view", Meaning::Angle(Angle::Low)),
        ("worm eye", Meaning::Angle(Angle::Low)),
        ("facing the camera", Meaning::Facing(Facing::Toward)),
        ("faces the camera", Meaning::Facing(Facing::Toward)),
        ("facing the viewer", Meaning::Facing(Facing::Toward)),
        ("looks at the camera", Meaning::Facing(Facing::Toward)),
        ("looking at the camera", Meaning::Facing(Facing::Toward)),
        ("camera orbits", Meaning::Camera(CameraMove::Orbit, Sure::Yes)),
    ] {
        add(table, words, meaning);
    }
    for part in ["suit", "suits", "spacesuit", "space suit", "feathers", "coat of fur"] {
        add(table, part, Meaning::Part);
    }
    for verb in ["collide", "crash", "bump"] {
        for (word, form) in inflected(verb) {
            for with in ["with", "into", "against"] {
                add(table, &format!("{word} {with}"), Meaning::CollidesWith(form));
            }
        }
    }
    for relation in [Relation::Follows, Relation::Meets, Relation::Chases, Relation::Holds] {
        for verb in std::iter::once(relation.name()).chain(relation.synonyms().iter().copied()) {
            for (word, _) in inflected_phrase(verb) {
                add(table, &word, Meaning::Relation(relation));
            }
        }
    }
    for (word, place) in HINTS {
        add(table, word, Meaning::Hint(place));
    }
    for &expression in Expression::ALL {
        add(table, expression.name(), Meaning::Expression(expression));
        for synonym in expression.synonyms() {
            add(table, synonym, Meaning::Expression(expression));
        }
    }
}

fn english(mix: Mix) -> Table {
    let table = &mut Table::new();
    if mix == Mix::Whole {
        add_more(table);
    }
    for (words, meaning) in [
        ("medium", Meaning::Medium),
        ("medium size", Meaning::Size(Size::Medium)),
        ("size is medium", Meaning::Size(Size::Medium)),
        ("hair", Meaning::HairNoun),
        ("person", Meaning::Kind(Kind::Person)),
        ("someone", Meaning::Kind(Kind::Person)),
        ("somebody", Meaning::Kind(Kind::Person)),
        ("human", Meaning::Kind(Kind::Person)),
        ("animal", Meaning::Kind(Kind::Animal)),
        ("pet", Meaning::Kind(Kind::Animal)),
        ("object", Meaning::Kind(Kind::Thing)),
        ("people", Meaning::People(2)),
        ("persons", Meaning::People(2)),
        ("pedestrians", Meaning::People(2)),
        ("passers-by", Meaning::People(2)),
        ("passersby", Meaning::People(2)),
        ("strangers", Meaning::People(2)),
        ("pedestrian", Meaning::People(1)),
        ("passer-by", Meaning::People(1)),
        ("crowd", Meaning::People(3)),
        ("crowds", Meaning::People(3)),
        ("one", Meaning::Number(1)),
        ("two", Meaning::Number(2)),
        ("three", Meaning::Number(3)),
        ("four", Meaning::Number(4)),
        ("five", Meaning::Number(5)),
        ("six", Meaning::Number(6)),
        ("many", Meaning::Number(3)),
        ("several", Meaning::Number(3)),
        ("some", Meaning::Number(2)),
        ("a few", Meaning::Number(2)),
        ("a couple of", Meaning::Number(2)),
        ("a lot of", Meaning::Number(3)),
        ("she", Meaning::Pronoun(Gender::She)),
        ("her", Meaning::Pronoun(Gender::She)),
        ("he", Meaning::Pronoun(Gender::He)),
        ("him", Meaning::Pronoun(Gender::He)),
        ("his", Meaning::Pronoun(Gender::He)),
        ("it", Meaning::Pronoun(Gender::It)),
        ("its", Meaning::Pronoun(Gender::It)),
        ("they", Meaning::Pronoun(Gender::They)),
        ("them", Meaning::Pronoun(Gender::They)),
        ("their", Meaning::Pronoun(Gender::They)),
        ("no", Meaning::Not),
        ("not", Meaning::Not),
        ("without", Meaning::Not),
        ("never", Meaning::Not),
        ("lacks", Meaning::Not),
        ("the", Meaning::Article(Definite::Yes)),
        ("a", Meaning::Article(Definite::No)),
        ("an", Meaning::Article(Definite::No)),
        ("another", Meaning::Article(Definite::No)),
        ("and", Meaning::And),
        ("of", Meaning::Of),
        ("camera", Meaning::CameraNoun),
        ("view", Meaning::CameraNoun),
        ("shot", Meaning::CameraNoun),
        ("lens", Meaning::CameraNoun),
        ("framing", Meaning::CameraNoun),
        ("tracking shot", Meaning::Camera(CameraMove::Follow, Sure::Yes)),
        ("follow shot", Meaning::Camera(CameraMove::Follow, Sure::Yes)),
        ("following shot", Meaning::Camera(CameraMove::Follow, Sure::Yes)),
        ("followed", Meaning::Camera(CameraMove::Follow, Sure::Yes)),
        ("blond", Meaning::Hair(Hair::Blond)),
        ("blonde", Meaning::Hair(Hair::Blond)),
        ("brunette", Meaning::Hair(Hair::Brown)),
        ("camera moves away", Meaning::Camera(CameraMove::DollyOut, Sure::Yes)),
        ("street lights", Meaning::Place(Place::NeonStreet)),
        ("tshirt", Meaning::Top(Top::TShirt)),
        ("light up", Meaning::Stop),
    ] {
        add(table, words, meaning);
    }
    for part in [
        "fur", "paint", "colour", "color", "coloured", "colored", "size", "sized", "surface",
        "body",
    ] {
        add(table, part, Meaning::Part);
    }
    for &hair in Hair::ALL {
        for name in std::iter::once(hair.name()).chain(hair.synonyms().iter().copied()) {
            add(table, &format!("{name} hair"), Meaning::Hair(hair));
            add(table, &format!("{name}-haired"), Meaning::Hair(hair));
        }
    }
    add_cameras(mix, table);
    add_terms(mix, table, Meaning::Subject);
    add_terms(mix, table, Meaning::Place);
    add_terms(mix, table, Meaning::Colour);
    add_terms(mix, table, Meaning::Top);
    add_terms(mix, table, Meaning::Bottom);
    add_terms(mix, table, Meaning::Footwear);
    add_terms(mix, table, Meaning::Item);
    add_terms(mix, table, Meaning::Material);
    add_terms(mix, table, Meaning::Size);
    add_terms(mix, table, Meaning::Relation);
    add_terms(mix, table, Meaning::Lane);
    add_terms(mix, table, Meaning::Facing);
    add_terms(mix, table, Meaning::Light);
    add_terms(mix, table, Meaning::Weather);
    add_terms(mix, table, Meaning::Ground);
    add_terms(mix, table, Meaning::Framing);
    add_terms(mix, table, Meaning::Angle);
    if mix == Mix::Whole {
        for &action in Action::ALL {
            for (word, form) in inflected_phrase(action.name()) {
                add(table, &word, Meaning::Action(action, form));
            }
        }
    }
    for &action in Action::of(mix) {
        for verb in std::iter::once(action.name()).chain(action.synonyms().iter().copied()) {
            for (word, form) in inflected_phrase(verb) {
                add(table, &word, Meaning::Action(action, form));
            }
        }
    }
    let (irregular, prepositions, stop): (&[_], _, _) = match mix {
        Mix::First => (&[], "", ""),
        Mix::Whole => (&MORE_IRREGULAR, MORE_PREPOSITIONS, MORE_STOP),
    };
    for &(word, action, form) in IRREGULAR.iter().chain(irregular) {
        add(table, word, Meaning::Action(action, form));
    }
    for preposition in PREPOSITIONS.split_whitespace().chain(prepositions.split_whitespace()) {
        add(table, preposition, Meaning::Preposition);
    }
    for word in STOP.split_whitespace().chain(stop.split_whitespace()) {
        add(table, word, Meaning::Stop);
    }
    std::mem::take(table)
}

/// Camera moves with their verbs inflected; pans, dollies and zooms are sure to be the camera's.
fn add_cameras(mix: Mix, table: &mut Table) {
    for &camera in CameraMove::of(mix) {
        for name in std::iter::once(camera.name()).chain(camera.synonyms().iter().copied()) {
            let (verb, rest) = name.split_once(' ').map_or((name, ""), |(verb, rest)| (verb, rest));
            let sure = if matches!(
                verb,
                "pan" | "dolly" | "zoom" | "static" | "orbit" | "crane" | "handheld" | "hand-held"
            ) {
                Sure::Yes
            } else {
                Sure::No
            };
            let meaning = Meaning::Camera(camera, sure);
            add(table, name, meaning);
            if camera == CameraMove::Static {
                continue;
            }
            for (form, _) in inflected(verb) {
                add(table, format!("{form} {rest}").trim(), meaning);
                if matches!(rest, "left" | "right") {
                    add(table, &format!("{form} to the {rest}"), meaning);
                    add(table, &format!("{form} towards the {rest}"), meaning);
                    add(
                        table,
                        &format!(
                            "{form} from {} to {rest}",
                            if rest == "left" { "right" } else { "left" }
                        ),
                        meaning,
                    );
                }
            }
        }
    }
}

/// The forms of a verb of one or more words, of which the first changes.
fn inflected_phrase(verb: &str) -> [(String, VerbForm); 3] {
    match verb.split_once(' ') {
        None => inflected(verb),
        Some((first, rest)) => {
            inflected(first).map(|(word, form)| (format!("{word} {rest}"), form))
        }
    }
}

fn inflected(verb: &str) -> [(String, VerbForm); 3] {
    let third = match verb.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if verb.ends_with('o')
            || verb.ends_with("sh")
            || verb.ends_with("ch")
            || verb.ends_with("ss") =>
        {
            format!("{verb}es")
        }
        _ => format!("{verb}s"),
    };
    [
        (verb.to_owned(), VerbForm::Base),
        (third, VerbForm::ThirdPerson),
        (participle(verb), VerbForm::Participle),
    ]
}

fn chinese(mix: Mix) -> Table {
    fn add_names<T: Term>(mix: Mix, table: &mut Table, meaning: impl Fn(T) -> Meaning) {
        for &term in T::of(mix) {
            for name in term.chinese() {
                add(table, name, meaning(term));
            }
        }
    }
    let table = &mut Table::new();
    for &hair in Hair::ALL {
        for name in hair.chinese() {
            for end in ["发", "头发", "色头发", "色的头发"] {
                add(table, &format!("{name}{end}"), Meaning::Hair(hair));
            }
        }
    }
    for (words, meaning) in [
        ("头发", Meaning::HairNoun),
        ("镜头", Meaning::CameraNoun),
        ("摄像机", Meaning::CameraNoun),
        ("行人", Meaning::People(2)),
        ("人们", Meaning::People(2)),
        ("人群", Meaning::People(3)),
        ("没有", Meaning::Not),
        ("不", Meaning::Not),
        ("无", Meaning::Not),
        ("一个人", Meaning::Kind(Kind::Person)),
        ("两", Meaning::Number(2)),
        ("三", Meaning::Number(3)),
        ("许多", Meaning::Number(3)),
        ("很多", Meaning::Number(3)),
        ("她", Meaning::Pronoun(Gender::She)),
        ("他", Meaning::Pronoun(Gender::He)),
        ("它", Meaning::Pronoun(Gender::It)),
        ("和", Meaning::And),
        ("与", Meaning::And),
        ("毛", Meaning::Part),
    ] {
        add(table, words, meaning);
    }
    for measure in ["个", "位", "只", "辆", "条", "件", "双", "顶", "副", "名", "台", "颗"]
    {
        add(table, &format!("一{measure}"), Meaning::Article(Definite::No));
    }
    for stop in [
        "的",
        "在",
        "着",
        "穿",
        "穿着",
        "戴",
        "戴着",
        "背着",
        "拿着",
        "了",
        "地面",
        "地上",
        "地板",
        "是",
        "有",
        "上",
        "里",
        "中",
        "下",
        "边",
        "很",
        "正",
        "正在",
        "个",
        "位",
        "只",
        "辆",
        "条",
        "一",
        "沿着",
        "穿过",
        "画面",
        "背景",
        "场景",
        "视频",
        "时",
        "时分",
        "被",
        "到",
        "从",
        "向",
        "朝",
        "首先",
        "接着",
        "然后",
        "随后",
        "之后",
        "后来",
        "接下来",
        "最后",
    ] {
        add(table, stop, Meaning::Stop);
    }
    if mix == Mix::Whole {
        for stop in ["正在", "大", "一片", "天", "天空", "风景", "一头", "一匹", "一艘"]
        {
            if Size::ALL.iter().all(|size| !size.chinese().contains(&stop)) {
                add(table, stop, Meaning::Stop);
            }
        }
        for measure in ["头", "匹", "艘", "群", "片"] {
            add(table, measure, Meaning::Stop);
        }
        for name in crate::vocabulary::Crowd::Animals.chinese() {
            add(table, name, Meaning::Animals(2));
        }
        add_names(mix, table, Meaning::Expression);
    }
    add_names(mix, table, |camera| Meaning::Camera(camera, Sure::Yes));
    add_names(mix, table, Meaning::Subject);
    add_names(mix, table, Meaning::Place);
    add_names(mix, table, Meaning::Colour);
    add_names(mix, table, Meaning::Top);
    add_names(mix, table, Meaning::Bottom);
    add_names(mix, table, Meaning::Footwear);
    add_names(mix, table, Meaning::Item);
    add_names(mix, table, Meaning::Material);
    add_names(mix, table, Meaning::Size);
    add_names(mix, table, |action| Meaning::Action(action, VerbForm::ThirdPerson));
    add_names(mix, table, Meaning::Relation);
    add_names(mix, table, Meaning::Facing);
    add_names(mix, table, Meaning::Lane);
    add_names(mix, table, Meaning::Light);
    add_names(mix, table, Meaning::Weather);
    add_names(mix, table, Meaning::Ground);
    add_names(mix, table, Meaning::Framing);
    add_names(mix, table, Meaning::Angle);
    std::mem::take(table)
}
