"""People who do not exist, with names of many scripts and addresses that lead nowhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Tongue:
    """Names that go together, and a domain for their addresses.

    The domains are of names that are kept for examples (RFC 2606, RFC 6761).
    """

    given: tuple[str, ...]
    family: tuple[str, ...]
    domain: str
    family_first: bool = False
    between: str = " "

    def name(self, given: str, family: str) -> str:
        """As such a person would write it."""
        return self.between.join((family, given) if self.family_first else (given, family))


def _tongue(given: str, family: str, domain: str, **more: Any) -> Tongue:
    return Tongue(tuple(given.split()), tuple(family.split()), domain, **more)


TONGUES: Final = (
    _tongue(
        "Ann Ben Chloe Daniel Ella Finn Grace Henry Isla Jack",
        "Baker Carter Ellis Fisher Grant Hughes Miller O'Hara Reed Turner",
        "example.org",
    ),
    _tongue(
        "Anaïs Benoît Chloé Désirée François Gaël Hélène Jérôme Léa Noël",
        "Béranger Château d'Arcy Éluard Fontaine Garçon Lefèvre Mézières Noël Rousseau",
        "exemple.example",
    ),
    _tongue(
        "Änne Björn Günther Hannelore Jörg Käthe Lukas Mäxchen Sören Ute",
        "Bäcker Fuß Groß Jäger Köhler Löwe Müller Schäfer Strauß Weiß",
        "beispiel.example",
    ),
    _tongue(
        "Agnieszka Bogusław Grażyna Józef Łucja Małgorzata Paweł Stanisław Zofia Żaneta",
        "Błaszczyk Dąbrowski Gołąb Jabłoński Kołodziej Łuczak Nowak Wójcik Zając Żuraw",
        "przykład.example",
    ),
    _tongue(
        "Ayşe Çağla Deniz Elif Gökhan Işıl İbrahim Ömer Şule Ümit",
        "Arslan Çelik Doğan Güneş Işık Kılıç Öztürk Şahin Türkmen Yıldız",
        "örnek.example",
    ),
    _tongue(
        "An Bình Châu Dũng Hạnh Linh Minh Ngọc Phượng Tuấn",
        "Bùi Đặng Đỗ Hoàng Huỳnh Lê Nguyễn Phạm Trần Vũ",
        "example.com",
        family_first=True,
    ),
    _tongue(
        "Αλέξανδρος Βασιλική Γιώργος Δήμητρα Ελένη Ζωή Ιωάννης Μαρία Νίκος Σοφία",
        "Αγγελόπουλος Βλάχος Γεωργίου Δημητρίου Ιωαννίδης Καραγιάννης Λάμπρος Παππάς Ρήγας Χρήστου",
        "παράδειγμα.example",
    ),
    _tongue(
        "Алексей Борис Вера Галина Дмитрий Елена Иван Мария Ольга Юрий",
        "Алёшин Васильев Громов Ершов Иваненко Кузнецов Морозов Соколов Чехов Щукин",
        "пример.example",
    ),
    _tongue(
        "Անի Արամ Գայանե Դավիթ Լիլիթ Հայկ Մարիամ Նարե Տիգրան Սոնա",
        "Աբրահամյան Գրիգորյան Հակոբյան Մանուկյան Պետրոսյան Սարգսյան",
        "example.net",
    ),
    _tongue(
        "გიორგი დავითი ელენე თამარი ლევანი მარიამი ნინო სანდრო",
        "ბერიძე გელაშვილი კაპანაძე ლომიძე მაისურაძე ჯაფარიძე",
        "example.net",
    ),
    _tongue(
        "אבי דוד חנה יעל לאה משה נועה רחל שרה תמר",
        "אברהם ברק גולן כהן לוי מזרחי פרץ שלום",
        "example.org",
    ),
    _tongue(
        "أحمد جميلة خالد زينب سارة عمر فاطمة ليلى محمد يوسف",
        "البغدادي الحسن الخطيب الشامي العلي المصري النجار حداد",
        "مثال.example",
    ),
    _tongue(
        "अनिल कविता दीपक नेहा प्रिया मोहन राहुल लक्ष्मी विजय सुनीता",
        "अग्रवाल कपूर गुप्ता चौधरी जोशी वर्मा शर्मा सिंह",
        "उदाहरण.example",
    ),
    _tongue(
        "กานดา ชัย ดาว นภา ปรีชา มาลี วิชัย สมชาย สุดา อรุณ",
        "แก้วใส ใจดี ทองคำ บุญมา รักไทย ศรีสุข",
        "ตัวอย่าง.example",
    ),
    _tongue(
        "伟 芳 娜 敏 静 丽 强 磊 洋 秀英",
        "王 李 张 刘 陈 杨 黄 赵 欧阳 司马",
        "例子.example",
        family_first=True,
        between="",
    ),
    _tongue(
        "葵 陽菜 蓮 結衣 大翔 さくら 健太 美咲 拓海 ひなた",
        "佐藤 鈴木 高橋 田中 渡辺 伊藤 山本 中村 小林 加藤",
        "例え.example",
        family_first=True,
    ),
    _tongue(
        "민준 서연 도윤 지우 하은 예준 수아 시우 지민 은우",
        "김 이 박 최 정 강 조 윤 남궁 황보",
        "실례.example",
        family_first=True,
        between="",
    ),
)

_ROLES: Final = ("user",) * 16 + ("editor",) * 3 + ("admin",)
_ACTIVE: Final = 0.8


def fake_people(count: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """The attributes of so many, the same ones for the same seed; no two have one email."""
    random = Random(seed)
    for number in range(1, count + 1):
        tongue = random.choice(TONGUES)
        given, family = random.choice(tongue.given), random.choice(tongue.family)
        yield {
            "email": f"{_plain(given)}.{_plain(family)}.{number}@{tongue.domain}",
            "name": tongue.name(given, family),
            "is_active": random.random() < _ACTIVE,
            "role": random.choice(_ROLES),
        }


def _plain(name: str) -> str:
    return name.replace("'", "").lower()
